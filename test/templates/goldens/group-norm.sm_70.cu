#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> x;
  Operand<const float> mean;
  Operand<const float> factor;
  Operand<const float> bias;
  Operand<float> out;
};
static_assert(sizeof(Arguments) == 96, "Arguments is laid out as the runtime fills it");
#include "cuda/activation.cuh"
#include "cuda/row.cuh"

constexpr int C = 40;
constexpr int ROWS = 8;

template <int V>
__device__ __forceinline__ void normalizeRows(const Arguments& arguments) {
  constexpr unsigned CHUNKS = (C + V - 1) / V;
  const unsigned step = *arguments.step;
  const auto x = rowsOf(arguments.x, step);
  const auto out = rowsOf(arguments.out, step);
  const float* const mean = rowsOf(arguments.mean, step)[0];
  const float* const factor = rowsOf(arguments.factor, step)[0];
  const float* const bias = rowsOf(arguments.bias, step)[0];
  for (unsigned first = blockIdx.x * ROWS; first < arguments.rows; first += gridDim.x * ROWS) {
    for (unsigned i = threadIdx.x; i < ROWS * CHUNKS; i += 256) {
      const unsigned row = first + i / CHUNKS;
      if (row >= arguments.rows) break;
      const int at = i % CHUNKS * V;
      float v[V];
      float middle[V];
      float gain[V];
      float offset[V];
      loadChunk<C, V == 4>(x[row], at, v);
      loadChunk<C, V == 4>(mean, at, middle);
      loadChunk<C, V == 4>(factor, at, gain);
      loadChunk<C, V == 4>(bias, at, offset);
#pragma unroll
      for (int e = 0; e < V; e++) v[e] = activate_silu((v[e] - middle[e]) * gain[e] + offset[e]);
      storeChunk<C, V == 4>(out[row], at, v);
    }
  }
}

extern "C" __global__ void __launch_bounds__(256) group_norm(const __grid_constant__ Arguments arguments) {
  const bool aligned = rowsAligned(arguments.x, 16) && rowsAligned(arguments.out, 16) && rowsAligned(arguments.mean, 16) &&
      rowsAligned(arguments.factor, 16) && rowsAligned(arguments.bias, 16);
  if (aligned) {
    normalizeRows<4>(arguments);
  } else {
    normalizeRows<1>(arguments);
  }
}
