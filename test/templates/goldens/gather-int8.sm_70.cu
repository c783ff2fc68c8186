#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const unsigned char> table;
  Operand<const int> indices;
  Operand<float> out;
  unsigned scalars[1];
};
static_assert(sizeof(Arguments) == 72, "Arguments is laid out as the runtime fills it");
#include "cuda/row.cuh"
#include "cuda/blocks.cuh"

constexpr int C = 96;
constexpr int ROWS = 10;

// Element i of a row of blocks.
__device__ __forceinline__ float elementOf(const unsigned char* row, unsigned i) {
  const unsigned char* const block = row + i / 32 * 34;
  return halfOf(halfAt(block)) * (float)(signed char)block[2 + i % 32];
}

template <int V>
__device__ __forceinline__ void gatherRows(const Arguments& arguments) {
  constexpr unsigned CHUNKS = (C + V - 1) / V;
  const unsigned step = *arguments.step;
  const auto table = rowsOf(arguments.table, step);
  const auto indices = rowsOf(arguments.indices, step);
  const auto out = rowsOf(arguments.out, step);
  const int count = (int)arguments.scalars[0];
  for (unsigned first = blockIdx.x * ROWS; first < arguments.rows; first += gridDim.x * ROWS) {
    for (unsigned i = threadIdx.x; i < ROWS * CHUNKS; i += 256) {
      const unsigned row = first + i / CHUNKS;
      if (row >= arguments.rows) break;
      int index = *indices[row];
      if (index < 0) index += count;
      const unsigned at = i % CHUNKS * V;
      float v[V];
      const unsigned char* const source = table[(unsigned)max(0, min(index, count - 1))];
#pragma unroll
      for (int e = 0; e < V; e++) v[e] = (int)at + e < C ? elementOf(source, at + e) : 0.0f;
      storeChunk<C, V == 4>(out[row], at, v);
    }
  }
}

extern "C" __global__ void __launch_bounds__(256, 4)
    gather(const __grid_constant__ Arguments arguments) {
  if (rowsAligned(arguments.out, 16)) {
    gatherRows<4>(arguments);
  } else {
    gatherRows<1>(arguments);
  }
}
