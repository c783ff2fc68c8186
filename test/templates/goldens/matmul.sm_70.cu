#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> a;
  Operand<const float> b;
  Operand<float> out;
  unsigned scalars[12];
};
static_assert(sizeof(Arguments) == 112, "Arguments is laid out as the runtime fills it");

constexpr unsigned THREADS = 256;
constexpr unsigned TILE = 64;
constexpr unsigned STAGE = 16;
constexpr unsigned PITCH = TILE + 4;
constexpr unsigned LOADS = TILE * STAGE / THREADS;
static_assert(THREADS == 256, "16 x 16 threads of 4 x 4 outputs");

// A 64 x 16 part of an operand: `across` runs over rows of a or columns of b, `along` over k.
struct Part {
  const float* data;
  unsigned across;        // how many there are
  unsigned acrossStride;  // in elements
  unsigned along;
  unsigned alongStride;
};

// The place of a thread's value i: neighbours in a warp are neighbours in memory if the operand has any.
__device__ __forceinline__ unsigned acrossOf(const Part& part, unsigned i) {
  const unsigned at = threadIdx.x + i * THREADS;
  return part.alongStride <= part.acrossStride ? at / STAGE : at % TILE;
}
__device__ __forceinline__ unsigned alongOf(const Part& part, unsigned i) {
  const unsigned at = threadIdx.x + i * THREADS;
  return part.alongStride <= part.acrossStride ? at % STAGE : at / TILE;
}

__device__ __forceinline__ void load(float (&values)[LOADS], const Part& part, unsigned first, unsigned stage) {
#pragma unroll
  for (unsigned i = 0; i < LOADS; i++) {
    const unsigned across = first + acrossOf(part, i);
    const unsigned along = stage + alongOf(part, i);
    const bool inside = across < part.across && along < part.along;
    const unsigned long long at =
      (unsigned long long)across * part.acrossStride + (unsigned long long)along * part.alongStride;
    values[i] = inside ? part.data[at] : 0.0f;
  }
}

__device__ __forceinline__ void keep(float (&tile)[STAGE][PITCH], const Part& part, const float (&values)[LOADS]) {
#pragma unroll
  for (unsigned i = 0; i < LOADS; i++) tile[alongOf(part, i)][acrossOf(part, i)] = values[i];
}

extern "C" __global__ void __launch_bounds__(THREADS) matmul(const __grid_constant__ Arguments arguments) {
  __shared__ __align__(16) float aTile[STAGE][PITCH];
  __shared__ __align__(16) float bTile[STAGE][PITCH];
  const unsigned* const scalars = arguments.scalars;
  const unsigned m = scalars[1];
  const unsigned n = scalars[2];
  const unsigned k = scalars[3];
  const unsigned long long batch = blockIdx.z;
  const Part a = {rowOf(arguments.a, arguments.step, 0) + batch * scalars[4], m, scalars[5], k, scalars[6]};
  const Part b = {rowOf(arguments.b, arguments.step, 0) + batch * scalars[7], n, scalars[9], k, scalars[8]};
  float* const out = rowOf(arguments.out, arguments.step, 0) + batch * scalars[10];
  const unsigned firstRow = blockIdx.y * TILE;
  const unsigned firstColumn = blockIdx.x * TILE;
  const unsigned threadRow = threadIdx.x / 16 * 4;
  const unsigned threadColumn = threadIdx.x % 16;

  float aNext[LOADS];
  float bNext[LOADS];
  float sums[4][4] = {};
  load(aNext, a, firstRow, 0);
  load(bNext, b, firstColumn, 0);
#pragma unroll 1
  for (unsigned stage = 0; stage < k; stage += STAGE) {
    keep(aTile, a, aNext);
    keep(bTile, b, bNext);
    __syncthreads();
    load(aNext, a, firstRow, stage + STAGE);
    load(bNext, b, firstColumn, stage + STAGE);
#pragma unroll
    for (unsigned e = 0; e < STAGE; e++) {
      const float4 left = *reinterpret_cast<const float4*>(&aTile[e][threadRow]);
      const float rows[4] = {left.x, left.y, left.z, left.w};
#pragma unroll
      for (unsigned j = 0; j < 4; j++) {
        const float right = bTile[e][threadColumn + 16 * j];
#pragma unroll
        for (unsigned i = 0; i < 4; i++) sums[i][j] += rows[i] * right;
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (unsigned i = 0; i < 4; i++) {
    const unsigned row = firstRow + threadRow + i;
    if (row >= m) return;
    float* const to = out + (unsigned long long)row * scalars[11];
#pragma unroll
    for (unsigned j = 0; j < 4; j++) {
      const unsigned column = firstColumn + threadColumn + 16 * j;
      if (column < n) to[column] = sums[i][j];
    }
  }
}
