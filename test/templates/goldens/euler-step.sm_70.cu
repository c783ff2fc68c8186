#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<float> x;
  Operand<const float> v;
  Operand<const float> dt;
};
static_assert(sizeof(Arguments) == 64, "Arguments is laid out as the runtime fills it");
#include "cuda/row.cuh"

constexpr int C = 64;
constexpr int ROWS = 16;

template <int V>
__device__ __forceinline__ void addRows(const Arguments& arguments) {
  constexpr unsigned CHUNKS = (C + V - 1) / V;
  const unsigned step = *arguments.step;
  const auto x = rowsOf(arguments.x, step);
  const auto velocity = rowsOf(arguments.v, step);
  const float dt = *rowsOf(arguments.dt, step)[0];
  for (unsigned first = blockIdx.x * ROWS; first < arguments.rows; first += gridDim.x * ROWS) {
    for (unsigned i = threadIdx.x; i < ROWS * CHUNKS; i += 256) {
      const unsigned row = first + i / CHUNKS;
      if (row >= arguments.rows) break;
      const unsigned at = i % CHUNKS * V;
      float sum[V], v[V];
      loadChunk<C, V == 4>((const float*)x[row], at, sum);
      loadChunk<C, V == 4>(velocity[row], at, v);
#pragma unroll
      for (int e = 0; e < V; e++) sum[e] = __fadd_rn(sum[e], __fmul_rn(dt, v[e]));
      storeChunk<C, V == 4>(x[row], at, sum);
    }
  }
}

extern "C" __global__ void __launch_bounds__(256, 4)
    euler_step(const __grid_constant__ Arguments arguments) {
  if (rowsAligned(arguments.x, 16) && rowsAligned(arguments.v, 16)) {
    addRows<4>(arguments);
  } else {
    addRows<1>(arguments);
  }
}
