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
#include "cuda/ptx/mma-turing.cuh"
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
constexpr unsigned GROUPS_T = 4;
constexpr unsigned WARP_CHANNELS = GROUPS_C * 16;
constexpr unsigned WARP_TOKENS = GROUPS_T * 16;
constexpr unsigned CHANNELS = WARPS_C * WARP_CHANNELS;
constexpr unsigned TOKENS = WARPS_T * WARP_TOKENS;
constexpr unsigned STAGES = 2;
constexpr unsigned STAGE_BYTES = TOKENS * 128;
constexpr unsigned STAGED_TOKENS = 32;
constexpr unsigned PITCH = CHANNELS + 4;
// A tile's rows take about 4 times the bytes of its weights: 8 by 32 tiles together read the least.
constexpr unsigned RASTER_ROWS = 8;
static_assert(THREADS == 32 * WARPS_C * WARPS_T, "one warp for each part of the tile");
static_assert(4 % GROUPS_C == 0, "a warp's channels lie in one block of the weights");
static_assert(WARP_TOKENS % STAGED_TOKENS == 0 && STAGED_TOKENS % 8 == 0, "whole fragments are staged");
static_assert(STAGES * STAGE_BYTES <= 32768, "the stages fit");
constexpr unsigned STAGED_BYTES = STAGED_TOKENS * PITCH * 4;
static_assert(STAGED_BYTES + sizeof(Factors<CHANNELS, TOKENS>) <= 32768, "the staged sums and factors fit");

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
// Rows that one turn of the loading threads covers, eight threads to a row.
constexpr unsigned LOAD_ROWS = THREADS / 8;
constexpr unsigned LOADS = TOKENS / LOAD_ROWS / 2;
static_assert(LOAD_ROWS % 8 == 0 && TOKENS % (2 * LOAD_ROWS) == 0, "whole turns; the rows of a thread are permuted alike");
static_assert(STAGES == 2, "one stage is filled while the other is read");

__device__ __forceinline__ void loadCodes(uint4 (&codes)[LOADS], const signed char* from, unsigned stride, unsigned block,
                                          unsigned half, unsigned rows) {
  const bool inside = CHUNKS % 8 == 0 || block * 8 + threadIdx.x % 8 < CHUNKS;
#pragma unroll
  for (unsigned i = 0; i < LOADS; i++) {
    const unsigned row = (half * LOADS + i) * LOAD_ROWS;
    const bool present = inside && threadIdx.x / 8 + row < rows;
    // 32 bits are enough within a tile, and registers are scarce.
    const signed char* source = from + (row * stride + block * 128);
    codes[i] = make_uint4(0, 0, 0, 0);
    if (present) codes[i] = *reinterpret_cast<const uint4*>(source);
  }
}

__device__ __forceinline__ void storeCodes(unsigned char* to, const uint4 (&codes)[LOADS], unsigned half) {
#pragma unroll
  for (unsigned i = 0; i < LOADS; i++) *reinterpret_cast<uint4*>(to + (half * LOADS + i) * LOAD_ROWS * 128) = codes[i];
}

__device__ __forceinline__ void multiply(int (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  int upper[2] = {d[0], d[1]};
  int lower[2] = {d[2], d[3]};
  mma_m8n8k16_s8s8(upper, a[0], b0);
  mma_m8n8k16_s8s8(lower, a[1], b0);
  mma_m8n8k16_s8s8(upper, a[2], b1);
  mma_m8n8k16_s8s8(lower, a[3], b1);
  d[0] = upper[0];
  d[1] = upper[1];
  d[2] = lower[0];
  d[3] = lower[1];
}

extern "C" __global__ void __launch_bounds__(256, 1) ternary_gemm(const __grid_constant__ Arguments arguments) {
  extern __shared__ __align__(1024) unsigned char shared[];
  const unsigned lane = threadIdx.x % 32;
  const unsigned warpC = threadIdx.x / 32 / WARPS_T;
  const unsigned warpT = threadIdx.x / 32 % WARPS_T;
  const Tile tile = tileOfBlock<RASTER_ROWS>();
  const unsigned firstRow = tile.row * TOKENS;
  const unsigned rows = min(arguments.rows - firstRow, TOKENS);
  const unsigned stride = arguments.q.stride;
  const unsigned loadRow = threadIdx.x / 8;
  const signed char* from = rowOf(arguments.q, arguments.step, firstRow + loadRow) + threadIdx.x % 8 * 16;
  // Chunk c of row r lies at c ^ (r % 8), so that ldmatrix meets no bank twice.
  unsigned char* to = shared + loadRow * 128 + ((threadIdx.x % 8 ^ loadRow % 8) << 4);
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
  uint4 codes[LOADS];
#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    loadCodes(codes, from, stride, 0, half, rows);
    storeCodes(to, codes, half);
  }
  __syncthreads();
#pragma unroll 1
  for (unsigned block = 0; block < K_BLOCKS; block++) {
    const bool more = block + 1 < K_BLOCKS;
    const unsigned stage = block % 2 * STAGE_BYTES + matrices;
#pragma unroll 1
    for (unsigned half = 0; half < 2; half++) {
      // Half of a lane's words at a time: there are no registers for more.
      uint2 words[GROUPS_C];
#pragma unroll
      for (unsigned c = 0; c < GROUPS_C; c++)
        words[c] = reinterpret_cast<const uint2*>(weights + block * 128 + c * 32)[half];
      if (more) loadCodes(codes, from, stride, block + 1, half, rows);
#pragma unroll
      for (unsigned j = 0; j < 2; j++) {
        unsigned a[GROUPS_C][4];
#pragma unroll
        for (unsigned c = 0; c < GROUPS_C; c++) unpackWeights(a[c], groupCodes(j == 0 ? words[c].x : words[c].y));
#pragma unroll
        for (unsigned t = 0; t < GROUPS_T; t++) {
          unsigned b[4];
          ldmatrix_x4(b, shared + (stage ^ ((2 * half + j) << 5)) + t * 16 * 128);
#pragma unroll
          for (unsigned c = 0; c < GROUPS_C; c++) {
            multiply(sums[c][2 * t], a[c], b[0], b[1]);
            multiply(sums[c][2 * t + 1], a[c], b[2], b[3]);
          }
        }
        promoteTile<1, K_BLOCKS * 4>(results, sums, scales, block * 4 + half * 2 + j);
      }
      // The other stage was last read before the last barrier.
      if (more) storeCodes(to + (block + 1) % 2 * STAGE_BYTES, codes, half);
    }
    __syncthreads();
  }
  finishTile(arguments, shared, tile, results);
}
