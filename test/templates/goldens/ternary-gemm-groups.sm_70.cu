#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const signed char> q;
  Operand<const float> rowScale;
  Operand<const unsigned> weights;
  Operand<const float> scales;
  Operand<const float> bias;
  Operand<float> out;
};
static_assert(sizeof(Arguments) == 112, "Arguments is laid out as the runtime fills it");
#include "cuda/ternary-fragments.cuh"
#include "cuda/activation.cuh"
#include "cuda/ternary-groups.cuh"
#include "cuda/vector.cuh"

using Sum = float;
using FourSums = float4;

constexpr unsigned GROUPS = 3;

// Scales are f32 [ceil(n/64)][group][64]: that of `channel` and group 0; of the next group 64 further. Channels beyond the
// layout read its last 64: their results are never stored.
__device__ __forceinline__ const float* scalesOf(const Arguments& arguments, unsigned channel) {
  constexpr unsigned last = (96 - 1) / 64;
  const unsigned block = channel / 64 < last ? channel / 64 : last;
  return rowOf(arguments.scales, arguments.step, 0) + (unsigned long long)block * GROUPS * 64 + channel % 64;
}

// Sums of a group begin here: |sum| < 2^22, so that the bits of one are those of the float 12582912 + sum.
constexpr int FIRST_SUM = 0x4b400000;

// Adds a group's sum times its scale to y, both rounded, and begins the next one.
__device__ __forceinline__ void promote(float& y, int& sum, float scale) {
  y = __fadd_rn(y, __fmul_rn(__fadd_rn(__uint_as_float((unsigned)sum), -12582912.0f), scale));
  sum = FIRST_SUM;
}


// What a tile's channels and rows are multiplied with, in shared memory.
template <unsigned Channels, unsigned Rows>
struct __align__(16) Factors {
  float bias[Channels];
  float rowScale[Rows];
};

// Called by all `threads` threads, before a barrier.
template <unsigned Channels, unsigned Rows>
__device__ __forceinline__ void loadFactors(Factors<Channels, Rows>& factors, const Arguments& arguments, unsigned firstRow,
                                            unsigned firstChannel, unsigned threads) {
  for (unsigned i = threadIdx.x; i < Channels; i += threads) {
    const bool inside = firstChannel + i < 96;
    factors.bias[i] = inside ? rowOf(arguments.bias, arguments.step, 0)[firstChannel + i] : 0.0f;
  }
  for (unsigned i = threadIdx.x; i < Rows; i += threads) {
    const bool inside = firstRow + i < arguments.rows;
    factors.rowScale[i] = inside ? *rowOf(arguments.rowScale, arguments.step, firstRow + i) : 0.0f;
  }
}

// Stores `rows` rows of a tile of `Channels` channels from `firstChannel` on and `Rows` rows from `firstRow` on, beginning
// with row `first` of the tile. Their sums are staged as [row][channel], rows `Pitch` words apart. Called by all `threads`
// threads, whole warps, each for the same four channels in every row; channels beyond n are left out.
template <unsigned Pitch, unsigned Channels, unsigned Rows>
__device__ __forceinline__ void finishRows(const Arguments& arguments, const Factors<Channels, Rows>& factors, const Sum* staged,
                                           unsigned firstRow, unsigned firstChannel, unsigned first, unsigned rows,
                                           unsigned threads) {
  static_assert(Channels % 128 == 0 && Pitch % 4 == 0, "a warp has 128 channels of one row, four in each thread");
  constexpr unsigned n = 96;
  constexpr unsigned rowThreads = Channels / 4;
  const unsigned column = 4 * (threadIdx.x % rowThreads);
  const unsigned channel = firstChannel + column;
  const bool vectors = n % 4 == 0 && rowsAligned(arguments.out, 4 * sizeof(float));
#pragma unroll 1
  for (unsigned row = threadIdx.x / rowThreads; row < rows; row += threads / rowThreads) {
    const unsigned m = firstRow + first + row;
    const FourSums four = *reinterpret_cast<const FourSums*>(staged + row * Pitch + column);
    const Sum sums[4] = {four.x, four.y, four.z, four.w};
    float y[4];
#pragma unroll
    for (unsigned i = 0; i < 4; i++) {
      const float product = sums[i] * factors.rowScale[first + row];
      y[i] = activate_gelu_tanh(product + factors.bias[column + i]);
    }
    float* out = rowOf(arguments.out, arguments.step, m) + channel;
    if (vectors) {
      if (channel >= n) continue;
      storeVector(out, y);
    } else {
#pragma unroll
      for (unsigned i = 0; i < 4; i++) {
        if (channel + i < n) storeFloat(out + i, y[i]);
      }
    }
  }
}

constexpr unsigned N = 96;
constexpr unsigned K_BLOCKS = (80 + 127) / 128;
// 16-byte chunks that a row of codes has: its pad is part of it.
constexpr unsigned CHUNKS = (80 + 15) / 16;
constexpr unsigned THREADS = 256;
constexpr unsigned CHANNELS = 128;
constexpr unsigned TOKENS = 128;
// A row of codes is 128 bytes, and 16 more so that neighbouring tokens begin four banks apart.
constexpr unsigned ROW_WORDS = 36;
// Words as [64 channels][j][c][r][group].
constexpr unsigned WEIGHT_WORDS = CHANNELS * 128 / 16;
constexpr unsigned PITCH = CHANNELS + 4;
constexpr unsigned STAGED_TOKENS = 64;
static_assert(THREADS == CHANNELS / 8 * TOKENS / 8, "8 x 8 sums in each thread");
static_assert(THREADS * 4 == WEIGHT_WORDS, "each thread loads four words of weights");
static_assert((WEIGHT_WORDS + TOKENS * ROW_WORDS) * 4 <= 33792, "128 k fit");
static_assert(STAGED_TOKENS * PITCH * 4 <= 33792, "the staged sums fit");

// Brings 128 k of the tile's weights and rows to shared memory.
__device__ __forceinline__ void load(unsigned* tile, const uint4* weights, const signed char* from, unsigned stride, unsigned block,
                                     unsigned rows) {
  const unsigned lane = threadIdx.x % 32;
  const uint4 words = weights[(unsigned long long)block * 128];
  unsigned* to = tile + threadIdx.x / 128 * (WEIGHT_WORDS / 2) + (lane % 4 * 8 + lane / 4) * 4 + threadIdx.x / 32 % 4;
#pragma unroll
  for (unsigned j = 0; j < 4; j++) to[j * 128] = wordOf(words, j);
  unsigned* codes = tile + WEIGHT_WORDS + threadIdx.x / 8 * ROW_WORDS + threadIdx.x % 8 * 4;
  const bool inside = CHUNKS % 8 == 0 || block * 8 + threadIdx.x % 8 < CHUNKS;
#pragma unroll
  for (unsigned row = 0; row < TOKENS; row += THREADS / 8) {
    uint4 chunk = make_uint4(0, 0, 0, 0);
    if (inside && threadIdx.x / 8 + row < rows)
      chunk = *reinterpret_cast<const uint4*>(from + (unsigned long long)row * stride + (unsigned long long)block * 128);
    *reinterpret_cast<uint4*>(codes + row * ROW_WORDS) = chunk;
  }
}

extern "C" __global__ void __launch_bounds__(256, 1) ternary_gemm(const __grid_constant__ Arguments arguments) {
  extern __shared__ __align__(1024) unsigned char shared[];
  unsigned* tile = reinterpret_cast<unsigned*>(shared);
  const unsigned r = threadIdx.x % 8;
  const unsigned token = threadIdx.x / 8 % 16;
  const unsigned part = threadIdx.x / 128;
  const unsigned firstRow = blockIdx.y * TOKENS;
  const unsigned firstChannel = blockIdx.x * CHANNELS;
  const unsigned rows = min(arguments.rows - firstRow, TOKENS);
  const unsigned stride = arguments.q.stride;
  const signed char* from = rowOf(arguments.q, arguments.step, firstRow + threadIdx.x / 8) + threadIdx.x % 8 * 16;
  const uint4* weights = fragmentsOf<N, K_BLOCKS>(rowOf(arguments.weights, arguments.step, 0),
                                                  firstChannel + threadIdx.x / 32 * 16, threadIdx.x % 32);

  int sums[8][8] = {};
  float results[8][8] = {};
#pragma unroll
  for (unsigned g = 0; g < 8; g++)
#pragma unroll
    for (unsigned t = 0; t < 8; t++) sums[g][t] = FIRST_SUM;
  const float* scales = scalesOf(arguments, firstChannel + part * 64) + r;
  const unsigned* words = tile + part * (WEIGHT_WORDS / 2) + r * 4;
  const unsigned* codes = tile + WEIGHT_WORDS + token * ROW_WORDS;
#pragma unroll 1
  for (unsigned block = 0; block < K_BLOCKS; block++) {
    __syncthreads();
    load(tile, weights, from, stride, block, rows);
    __syncthreads();
#pragma unroll 1
    for (unsigned j = 0; j < 4; j++) {
#pragma unroll 1
      for (unsigned c = 0; c < 4; c++) {
        const uint4 four = *reinterpret_cast<const uint4*>(words + (j * 4 + c) * 32);
        unsigned a[4][4];
#pragma unroll
        for (unsigned g = 0; g < 4; g++) unpackWeights(a[g], groupCodes(wordOf(four, g)));
#pragma unroll
        for (unsigned t = 0; t < 8; t++) {
          const unsigned near = codes[t * 16 * ROW_WORDS + j * 8 + c];
          const unsigned far = codes[t * 16 * ROW_WORDS + j * 8 + c + 4];
#pragma unroll
          for (unsigned g = 0; g < 4; g++) {
            sums[2 * g][t] = __dp4a((int)a[g][2], (int)far, __dp4a((int)a[g][0], (int)near, sums[2 * g][t]));
            sums[2 * g + 1][t] = __dp4a((int)a[g][3], (int)far, __dp4a((int)a[g][1], (int)near, sums[2 * g + 1][t]));
          }
        }
      }
      constexpr unsigned SPAN = 1;
      const unsigned step = block * 4 + j;
      if (((step + 1) % SPAN == 0 || step + 1 == K_BLOCKS * 4) && step / SPAN < GROUPS) {
#pragma unroll
        for (unsigned g = 0; g < 8; g++) {
          const float scale = scaleOfWeights(scales[step / SPAN * 64 + g * 8]);
#pragma unroll
          for (unsigned t = 0; t < 8; t++) promote(results[g][t], sums[g][t], scale);
        }
      }
    }
  }

  Sum* staged = reinterpret_cast<Sum*>(shared);
  __shared__ Factors<CHANNELS, TOKENS> factors;
  loadFactors(factors, arguments, firstRow, firstChannel, THREADS);
#pragma unroll
  for (unsigned turn = 0; turn < TOKENS / STAGED_TOKENS; turn++) {
    const unsigned first = turn * STAGED_TOKENS;
    if (first >= rows) return;
    __syncthreads();
#pragma unroll
    for (unsigned t = 0; t < STAGED_TOKENS / 16; t++)
#pragma unroll
      for (unsigned g = 0; g < 8; g++)
        staged[(token + 16 * t) * PITCH + part * 64 + g * 8 + r] = results[g][turn * (STAGED_TOKENS / 16) + t];
    __syncthreads();
    finishRows<PITCH>(arguments, factors, staged, firstRow, firstChannel, first, min(rows - first, STAGED_TOKENS), THREADS);
  }
}
