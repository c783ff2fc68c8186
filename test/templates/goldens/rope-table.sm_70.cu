#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> ids;
  Operand<float> cosines;
  Operand<float> sines;
};
static_assert(sizeof(Arguments) == 64, "Arguments is laid out as the runtime fills it");
#include "cuda/cos-sin.cuh"
#include "cuda/row.cuh"

constexpr int PAIRS = 16;
constexpr int ROWS = 8;
__device__ const double FREQUENCIES[PAIRS] = { 1, 0.1, 0.01, 0.001, 1, 0.215443469003188, 0.0464158883361278, 0.01, 0.00215443469003188, 0.000464158883361278, 1, 0.215443469003188, 0.0464158883361278, 0.01, 0.00215443469003188, 0.000464158883361278,  };
__device__ const unsigned AXES[PAIRS] = { 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2,  };

extern "C" __global__ void __launch_bounds__(128, 8)
    rope_table(const __grid_constant__ Arguments arguments) {
  const unsigned step = *arguments.step;
  const auto ids = rowsOf(arguments.ids, step);
  const auto cosines = rowsOf(arguments.cosines, step);
  const auto sines = rowsOf(arguments.sines, step);
  for (unsigned first = blockIdx.x * ROWS; first < arguments.rows; first += gridDim.x * ROWS) {
    for (unsigned i = threadIdx.x; i < ROWS * PAIRS; i += 128) {
      const unsigned row = first + i / PAIRS;
      if (row >= arguments.rows) break;
      const unsigned pair = i % PAIRS;
      cosSin(ids[row][AXES[pair]] * FREQUENCIES[pair], cosines[row][pair], sines[row][pair]);
    }
  }
}
