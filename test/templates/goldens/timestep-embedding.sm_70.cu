#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> t;
  Operand<float> out;
};
static_assert(sizeof(Arguments) == 48, "Arguments is laid out as the runtime fills it");
#include "cuda/cos-sin.cuh"
#include "cuda/row.cuh"

constexpr int HALF = 16;
__device__ const double FREQUENCIES[HALF] = { 1, 0.5623413251903491, 0.3162277660168379, 0.17782794100389226, 0.09999999999999998, 0.05623413251903488, 0.031622776601683784, 0.017782794100389226, 0.009999999999999995, 0.005623413251903487, 0.0031622776601683764, 0.001778279410038922, 0.0009999999999999994, 0.0005623413251903486, 0.00031622776601683783, 0.00017782794100389203,  };

extern "C" __global__ void __launch_bounds__(128, 8)
    timestep_embedding(const __grid_constant__ Arguments arguments) {
  const unsigned step = *arguments.step;
  const auto t = rowsOf(arguments.t, step);
  const auto out = rowsOf(arguments.out, step);
  for (unsigned row = blockIdx.x; row < arguments.rows; row += gridDim.x) {
    const float time = __fmul_rn(*t[row], (float)1000);
    for (unsigned j = threadIdx.x; j < HALF; j += 128) {
      const float angle = __fmul_rn(time, (float)FREQUENCIES[j]);
      cosSin(angle, out[row][j], out[row][HALF + j]);
    }
  }
}
