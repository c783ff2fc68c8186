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
#include "cuda/ptx/ldmatrix.cuh"
#include "cuda/ptx/mma.cuh"
#include "cuda/row-stages.cuh"
#include "cuda/rasterize.cuh"
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
constexpr unsigned K = 80;
constexpr unsigned K_BLOCKS = (K + 127) / 128;
constexpr unsigned THREADS = 256;
// A warp has GROUPS_C times 16 channels and GROUPS_T times 16 tokens.
constexpr unsigned WARPS_C = 4;
constexpr unsigned WARPS_T = 2;
constexpr unsigned GROUPS_C = 2;
constexpr unsigned GROUPS_T = 2;
constexpr unsigned WARP_CHANNELS = GROUPS_C * 16;
constexpr unsigned WARP_TOKENS = GROUPS_T * 16;
constexpr unsigned CHANNELS = WARPS_C * WARP_CHANNELS;
constexpr unsigned TOKENS = WARPS_T * WARP_TOKENS;
constexpr unsigned STAGES = 3;
constexpr unsigned STAGE_BYTES = TOKENS * 128;
constexpr unsigned STAGED_TOKENS = 32;
constexpr unsigned PITCH = CHANNELS + 4;
// A tile's rows take about 4 times the bytes of its weights: 8 by 32 tiles together read the least.
constexpr unsigned RASTER_ROWS = 8;
static_assert(THREADS == 32 * WARPS_C * WARPS_T, "one warp for each part of the tile");
static_assert(4 % GROUPS_C == 0, "a warp's channels lie in one block of the weights");
static_assert(WARP_TOKENS % STAGED_TOKENS == 0 && STAGED_TOKENS % 8 == 0, "whole fragments are staged");
static_assert(STAGES * STAGE_BYTES <= 24576, "the stages fit");
constexpr unsigned STAGED_BYTES = STAGED_TOKENS * PITCH * 4;
static_assert(STAGED_BYTES + sizeof(Factors<CHANNELS, TOKENS>) <= 24576, "the staged sums and factors fit");

// Promotes the sums of a group at its last step of `Steps`, `Span` of which make a group. A step is k of one instruction or
// two; steps behind the last group hold nothing.
template <unsigned Span, unsigned Steps, typename T>
__device__ __forceinline__ void promoteTile(float (&results)[GROUPS_C][2 * GROUPS_T][4], T (&sums)[GROUPS_C][2 * GROUPS_T][4],
                                            const float* scales, unsigned step) {
  const unsigned group = step / Span;
  if (((step + 1) % Span != 0 && step + 1 != Steps) || group >= GROUPS) return;
#pragma unroll
  for (unsigned c = 0; c < GROUPS_C; c++) {
    const float scale[2] = {scaleOfWeights(scales[group * 64 + c * 16]), scaleOfWeights(scales[group * 64 + c * 16 + 8])};
#pragma unroll
    for (unsigned t = 0; t < 2 * GROUPS_T; t++)
#pragma unroll
      for (unsigned i = 0; i < 4; i++) promote(results[c][t][i], sums[c][t][i], scale[i / 2]);
  }
}

// Turns the sums of all warps to [token][channel] through shared memory, a part at a time, and stores them.
__device__ __forceinline__ void finishTile(const Arguments& arguments, unsigned char* shared, Tile tile,
                                           const Sum (&sums)[GROUPS_C][2 * GROUPS_T][4]) {
  constexpr unsigned parts = WARP_TOKENS / STAGED_TOKENS;
  const unsigned lane = threadIdx.x % 32;
  const unsigned warpC = threadIdx.x / 32 / WARPS_T;
  const unsigned warpT = threadIdx.x / 32 % WARPS_T;
  const unsigned firstRow = tile.row * TOKENS;
  const unsigned firstChannel = tile.column * CHANNELS;
  Sum* staged = reinterpret_cast<Sum*>(shared);
  Factors<CHANNELS, TOKENS>& factors = *reinterpret_cast<Factors<CHANNELS, TOKENS>*>(shared + STAGED_BYTES);
  // The stages of the main loop lie there: all threads are done with them.
  __syncthreads();
  loadFactors(factors, arguments, firstRow, firstChannel, THREADS);
#pragma unroll 1
  for (unsigned turn = 0; turn < WARPS_T; turn++) {
#pragma unroll
    for (unsigned part = 0; part < parts; part++) {
      const unsigned first = turn * WARP_TOKENS + part * STAGED_TOKENS;
      if (firstRow + first >= arguments.rows) return;
      if (warpT == turn) {
#pragma unroll
        for (unsigned c = 0; c < GROUPS_C; c++)
#pragma unroll
          for (unsigned t = 0; t < STAGED_TOKENS / 8; t++)
            stageFragment<PITCH>(staged + t * 8 * PITCH + warpC * WARP_CHANNELS + c * 16,
                                 sums[c][part * (STAGED_TOKENS / 8) + t], lane);
      }
      __syncthreads();
      const unsigned rows = min(arguments.rows - firstRow - first, STAGED_TOKENS);
      finishRows<PITCH>(arguments, factors, staged, firstRow, firstChannel, first, rows, THREADS);
      __syncthreads();
    }
  }
}

// 16-byte chunks that a row of codes has: its pad is part of it.
constexpr unsigned CHUNKS = (K + 15) / 16;

extern "C" __global__ void __launch_bounds__(256, 1) ternary_gemm(const __grid_constant__ Arguments arguments) {
  extern __shared__ __align__(1024) unsigned char shared[];
  const unsigned lane = threadIdx.x % 32;
  const unsigned warpC = threadIdx.x / 32 / WARPS_T;
  const unsigned warpT = threadIdx.x / 32 % WARPS_T;
  const Tile tile = tileOfBlock<RASTER_ROWS>();
  const unsigned firstRow = tile.row * TOKENS;
  const unsigned rows = min(arguments.rows - firstRow, TOKENS);
  const unsigned stride = arguments.q.stride;
  const unsigned char* from =
      reinterpret_cast<const unsigned char*>(rowOf(arguments.q, arguments.step, firstRow + threadIdx.x / 8)) + threadIdx.x % 8 * 16;
  unsigned char* to = shared + ownChunk();
  const uint4* weights = fragmentsOf<N, K_BLOCKS>(rowOf(arguments.weights, arguments.step, 0),
                                                  tile.column * CHANNELS + warpC * WARP_CHANNELS, lane);
  // ldmatrix: lanes 0-7 and 8-15 pass k 0-15 and 16-31 of 8 tokens, lanes 16-31 of the next 8.
  // Another two chunks of 16 bytes, permuted as they are, differ in bits 5 and 6.
  const unsigned matrices = (warpT * WARP_TOKENS + lane / 16 * 8 + lane % 8) * 128 + ((lane / 8 % 2 ^ lane % 8) << 4);

  int sums[GROUPS_C][2 * GROUPS_T][4] = {};
  float results[GROUPS_C][2 * GROUPS_T][4] = {};
#pragma unroll
  for (unsigned c = 0; c < GROUPS_C; c++)
#pragma unroll
    for (unsigned t = 0; t < 2 * GROUPS_T; t++)
#pragma unroll
      for (unsigned i = 0; i < 4; i++) sums[c][t][i] = FIRST_SUM;
  const float* scales = scalesOf(arguments, tile.column * CHANNELS + warpC * WARP_CHANNELS) + lane / 4;
#pragma unroll
  for (unsigned stage = 0; stage + 1 < STAGES; stage++) {
    if (stage < K_BLOCKS) copyStage<TOKENS, THREADS, CHUNKS>(to + stage * STAGE_BYTES, from, stride, stage, rows);
    cp_async_commit();
  }
  uint4 next[GROUPS_C];
#pragma unroll
  for (unsigned c = 0; c < GROUPS_C; c++) next[c] = weights[c * 32];

  unsigned readStage = 0;
  unsigned writeStage = STAGES - 1;
#pragma unroll 1
  for (unsigned block = 0; block < K_BLOCKS; block++) {
    cp_async_wait<STAGES - 2>();
    // This block's codes are there for all threads, and all are done with the stage that the next copies go to.
    __syncthreads();
    if (block + STAGES - 1 < K_BLOCKS)
      copyStage<TOKENS, THREADS, CHUNKS>(to + writeStage * STAGE_BYTES, from, stride, block + STAGES - 1, rows);
    cp_async_commit();
    uint4 words[GROUPS_C];
#pragma unroll
    for (unsigned c = 0; c < GROUPS_C; c++) words[c] = groupCodes(next[c]);
    // In the last round the same ones once more.
    if (block + 1 < K_BLOCKS) weights += 128;
    const unsigned codes = readStage * STAGE_BYTES + matrices;
#pragma unroll
    for (unsigned j = 0; j < 4; j++) {
      // Half of the words are spent: their registers take the next ones.
      if (j == 2) {
#pragma unroll
        for (unsigned c = 0; c < GROUPS_C; c++) next[c] = weights[c * 32];
      }
      unsigned a[GROUPS_C][4];
#pragma unroll
      for (unsigned c = 0; c < GROUPS_C; c++) unpackWeights(a[c], wordOf(words[c], j));
#pragma unroll
      for (unsigned t = 0; t < GROUPS_T; t++) {
        unsigned b[4];
        ldmatrix_x4(b, shared + (codes ^ (j << 5)) + t * 16 * 128);
        const unsigned first[2] = {b[0], b[1]};
        const unsigned second[2] = {b[2], b[3]};
#pragma unroll
        for (unsigned c = 0; c < GROUPS_C; c++) {
          mma_m16n8k32_s8s8(sums[c][2 * t], a[c], first);
          mma_m16n8k32_s8s8(sums[c][2 * t + 1], a[c], second);
        }
      }
      promoteTile<1, K_BLOCKS * 4>(results, sums, scales, block * 4 + j);
    }
    writeStage = readStage;
    readStage = readStage + 1 == STAGES ? 0 : readStage + 1;
  }
  cp_async_wait<0>();
  finishTile(arguments, shared, tile, results);
}
