#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const unsigned char> source;
  Operand<float> weights;
};
static_assert(sizeof(Arguments) == 48, "Arguments is laid out as the runtime fills it");

constexpr unsigned N = 96;
constexpr unsigned K = 80;
constexpr unsigned THREADS = 256;
constexpr unsigned COLUMNS = 16;
constexpr unsigned PANEL = 64;
constexpr unsigned BYTES = 2;
constexpr unsigned VECTOR = 16 / BYTES;
constexpr unsigned DEPTH = 256;
// Threads of a warp read 4 rows apart: their banks are 8 apart.
constexpr unsigned PITCH = DEPTH + 2;
static_assert(PANEL % COLUMNS == 0 && COLUMNS % 4 == 0, "panels are whole blocks, blocks whole vectors");

// The bits of an element as a float.
__device__ __forceinline__ float widen(unsigned bits) {
  return __uint_as_float(bits << 16);
}

// Element i of a 16-byte word.
__device__ __forceinline__ float elementOf(const unsigned (&words)[4], unsigned i) {
  return widen((words[i / 2] >> (i % 2 * 16)) & 0xffffu);
}

// An element from any address.
__device__ __forceinline__ float elementAt(const unsigned char* from) {
  unsigned bits = 0;
#pragma unroll
  for (unsigned i = 0; i < BYTES; i++) bits |= (unsigned)from[i] << (8 * i);
  return widen(bits);
}

extern "C" __global__ void __launch_bounds__(THREADS) unpack_dense(const __grid_constant__ Arguments arguments) {
  __shared__ float tile[COLUMNS][PITCH];
  const unsigned char* const source = rowOf(arguments.source, arguments.step, 0);
  float* const weights = rowOf(arguments.weights, arguments.step, 0);
  const bool aligned = (((unsigned long long)source | (unsigned long long)K * BYTES) & 15) == 0;
  const bool last = (blockIdx.x + 1) * COLUMNS >= N;
  const unsigned end = last ? (N + PANEL - 1) / PANEL * PANEL : (blockIdx.x + 1) * COLUMNS;

  for (unsigned first = blockIdx.x * COLUMNS; first < end; first += COLUMNS) {
    float* const panel = weights + (unsigned long long)(first / PANEL) * K * PANEL + first % PANEL;
    for (unsigned start = 0; start < K; start += DEPTH) {
      __syncthreads();
      if (aligned) {
        for (unsigned i = threadIdx.x; i < COLUMNS * (DEPTH / VECTOR); i += THREADS) {
          const unsigned column = i / (DEPTH / VECTOR);
          const unsigned depth = i % (DEPTH / VECTOR) * VECTOR;
          unsigned words[4] = {};
          if (first + column < N && start + depth < K) {
            const unsigned long long at = ((unsigned long long)(first + column) * K + start + depth) * BYTES;
            const uint4 loaded = *reinterpret_cast<const uint4*>(source + at);
            words[0] = loaded.x;
            words[1] = loaded.y;
            words[2] = loaded.z;
            words[3] = loaded.w;
          }
#pragma unroll
          for (unsigned j = 0; j < VECTOR; j++) tile[column][depth + j] = elementOf(words, j);
        }
      } else {
        for (unsigned i = threadIdx.x; i < COLUMNS * DEPTH; i += THREADS) {
          const unsigned column = i / DEPTH;
          const unsigned depth = i % DEPTH;
          float value = 0.0f;
          if (first + column < N && start + depth < K) {
            value = elementAt(source + ((unsigned long long)(first + column) * K + start + depth) * BYTES);
          }
          tile[column][depth] = value;
        }
      }
      __syncthreads();
      for (unsigned i = threadIdx.x; i < DEPTH * (COLUMNS / 4); i += THREADS) {
        const unsigned column = i % (COLUMNS / 4) * 4;
        const unsigned depth = i / (COLUMNS / 4);
        if (start + depth >= K) break;
        float* const to = panel + (unsigned long long)(start + depth) * PANEL + column;
        *reinterpret_cast<float4*>(to) =
          make_float4(tile[column][depth], tile[column + 1][depth], tile[column + 2][depth], tile[column + 3][depth]);
      }
    }
  }
}
