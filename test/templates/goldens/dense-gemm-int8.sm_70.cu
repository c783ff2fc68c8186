#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> x;
  Operand<const unsigned> weights;
  Operand<const float> bias;
  Operand<float> out;
};
static_assert(sizeof(Arguments) == 80, "Arguments is laid out as the runtime fills it");
#include "cuda/vector.cuh"
#include "cuda/activation.cuh"

constexpr unsigned N = 96;
constexpr unsigned K = 96;
constexpr unsigned THREADS = 128;
constexpr unsigned THREADS_X = 16;
constexpr unsigned THREADS_Y = THREADS / THREADS_X;
constexpr unsigned GROUPS_M = 2;
constexpr unsigned GROUPS_N = 2;
constexpr unsigned ROWS = THREADS_Y * 4 * GROUPS_M;
constexpr unsigned COLUMNS = THREADS_X * 4 * GROUPS_N;
constexpr unsigned PANEL = 64;
constexpr unsigned PANELS = (N + PANEL - 1) / PANEL;
constexpr unsigned STAGE = 16;
// Shared rows stay aligned to 16 bytes and start in another bank.
constexpr unsigned PITCH = ROWS + 4;
constexpr unsigned X_LOADS = ROWS * STAGE / 4 / THREADS;
// Elements of k in a word, and words of a row; four columns of one are loaded at a time.
constexpr unsigned PER_WORD = 4;
constexpr unsigned WORDS = (K + PER_WORD - 1) / PER_WORD;
constexpr unsigned W_ITEMS = COLUMNS / 4 * (STAGE / PER_WORD);
constexpr unsigned W_LOADS = (W_ITEMS + THREADS - 1) / THREADS;
// Rows of a block that does without shared memory for its operands, and the parts of k it splits.
constexpr unsigned FEW = 4;
constexpr unsigned PARTS = THREADS / (COLUMNS / 4);
static_assert(THREADS_Y * THREADS_X == THREADS, "threads form a rectangle");
static_assert(COLUMNS % PANEL == 0, "a block covers whole panels");
static_assert(X_LOADS * THREADS * 4 == ROWS * STAGE, "x is loaded in whole rounds");

struct Tiles {
  float x[2][STAGE][PITCH];
  float weights[2][STAGE][COLUMNS];
};
struct Parts {
  float sums[PARTS][FEW][COLUMNS];
};
static_assert(sizeof(Parts) <= sizeof(Tiles), "sums fit where the tiles were");

// Four elements of row m of x from k on; zeros outside.
__device__ __forceinline__ void loadX(float (&v)[4], const Arguments& arguments, bool aligned, unsigned m, unsigned k) {
  v[0] = v[1] = v[2] = v[3] = 0.0f;
  if (m >= arguments.rows) return;
  const float* const from = rowOf(arguments.x, arguments.step, m) + k;
  if (aligned && k + 4 <= K) {
    loadVector(from, v);
    return;
  }
#pragma unroll
  for (unsigned i = 0; i < 4; i++) {
    if (k + i < K) v[i] = toFloat(from[i]);
  }
}

// Words of four columns, and the scales of their elements.
struct WeightWords {
  uint4 words;
  float4 scales;
};

// The elements of a word of k from word · PER_WORD on; zeros outside.
__device__ __forceinline__ WeightWords loadWords(const unsigned* weights, unsigned column, unsigned word) {
  WeightWords w = {};
  const unsigned panel = column / PANEL;
  if (panel >= PANELS || word >= WORDS) return w;
  const unsigned long long at = ((unsigned long long)panel * WORDS + word) * PANEL + column % PANEL;
  w.words = *reinterpret_cast<const uint4*>(weights + at);
  const unsigned long long group = (unsigned long long)panel * (K / 32) + word * PER_WORD / 32;
  w.scales = *reinterpret_cast<const float4*>(
    weights + (unsigned long long)PANELS * PANEL * WORDS + group * PANEL + column % PANEL);
  return w;
}

__device__ __forceinline__ float elementOf(unsigned word, unsigned e, float scale) {
  return (float)((int)(word << (24 - 8 * e)) >> 24) * scale;
}

// Element e of the words of four columns.
__device__ __forceinline__ float4 elementsOf(const WeightWords& w, unsigned e) {
  return make_float4(elementOf(w.words.x, e, w.scales.x), elementOf(w.words.y, e, w.scales.y),
                     elementOf(w.words.z, e, w.scales.z), elementOf(w.words.w, e, w.scales.w));
}

// The end of a product: four columns of row m. `aligned` tells whether the rows of every operand allow vectors.
__device__ __forceinline__ void store(const Arguments& arguments, bool aligned, unsigned m, unsigned n, float (&y)[4]) {
  if (m >= arguments.rows || n >= N) return;
  const float* const bias = rowOf(arguments.bias, arguments.step, 0) + n;
  float* const out = rowOf(arguments.out, arguments.step, m) + n;
  if (aligned && n + 4 <= N) {
    float offsets[4];
    loadVector(bias, offsets);
#pragma unroll
    for (unsigned i = 0; i < 4; i++) {
      y[i] = activate_gelu_tanh(y[i] + offsets[i]);
    }
    storeVector(out, y);
    return;
  }
#pragma unroll
  for (unsigned i = 0; i < 4; i++) {
    if (n + i >= N) return;
    const float value = activate_gelu_tanh(y[i] + bias[i]);
    storeFloat(out + i, value);
  }
}

// Up to FEW rows: every thread sums four columns over its part of k, then the parts are added.
__device__ __forceinline__ void multiplyFew(
  const Arguments& arguments, Parts& parts, bool aligned, unsigned firstRow, unsigned firstColumn
) {
  const unsigned* const weights = rowOf(arguments.weights, arguments.step, 0);
  const unsigned column = threadIdx.x % (COLUMNS / 4) * 4;
  const unsigned part = threadIdx.x / (COLUMNS / 4);
  float sums[FEW][4] = {};
#pragma unroll 4
  for (unsigned word = part; word < WORDS; word += PARTS) {
    const WeightWords four = loadWords(weights, firstColumn + column, word);
#pragma unroll
    for (unsigned e = 0; e < PER_WORD; e++) {
      const unsigned k = word * PER_WORD + e;
      if (K % PER_WORD != 0 && k >= K) break;
      const float4 w = elementsOf(four, e);
#pragma unroll
      for (unsigned i = 0; i < FEW; i++) {
        if (firstRow + i >= arguments.rows) break;
        const float x = toFloat(rowOf(arguments.x, arguments.step, firstRow + i)[k]);
        sums[i][0] += x * w.x;
        sums[i][1] += x * w.y;
        sums[i][2] += x * w.z;
        sums[i][3] += x * w.w;
      }
    }
  }
#pragma unroll
  for (unsigned i = 0; i < FEW; i++) storeVector(&parts.sums[part][i][column], sums[i]);
  __syncthreads();
  for (unsigned i = part; i < FEW; i += PARTS) {
    float y[4] = {};
    for (unsigned p = 0; p < PARTS; p++) {
#pragma unroll
      for (unsigned j = 0; j < 4; j++) y[j] += parts.sums[p][i][column + j];
    }
    store(arguments, aligned, firstRow + i, firstColumn + column, y);
  }
}

__device__ __forceinline__ void multiplyMany(
  const Arguments& arguments, Tiles& tiles, bool aligned, unsigned firstRow, unsigned firstColumn
) {
  const unsigned* const weights = rowOf(arguments.weights, arguments.step, 0);
  const bool xAligned = rowsAligned(arguments.x, 4 * sizeof(float));
  const unsigned threadRow = threadIdx.x / THREADS_X * 4;
  const unsigned threadColumn = threadIdx.x % THREADS_X * 4;
  float x[X_LOADS][4];
  WeightWords w[W_LOADS];
  float sums[GROUPS_M * 4][GROUPS_N * 4] = {};

  const auto load = [&](unsigned stage) {
#pragma unroll
    for (unsigned i = 0; i < X_LOADS; i++) {
      const unsigned at = threadIdx.x + i * THREADS;
      loadX(x[i], arguments, xAligned, firstRow + at / (STAGE / 4), stage + at % (STAGE / 4) * 4);
    }
#pragma unroll
    for (unsigned i = 0; i < W_LOADS; i++) {
      const unsigned at = threadIdx.x + i * THREADS;
      if (W_ITEMS % THREADS != 0 && at >= W_ITEMS) break;
      w[i] = loadWords(weights, firstColumn + at % (COLUMNS / 4) * 4, stage / PER_WORD + at / (COLUMNS / 4));
    }
  };
  const auto keep = [&](unsigned buffer) {
#pragma unroll
    for (unsigned i = 0; i < X_LOADS; i++) {
      const unsigned at = threadIdx.x + i * THREADS;
#pragma unroll
      for (unsigned j = 0; j < 4; j++) tiles.x[buffer][at % (STAGE / 4) * 4 + j][at / (STAGE / 4)] = x[i][j];
    }
#pragma unroll
    for (unsigned i = 0; i < W_LOADS; i++) {
      const unsigned at = threadIdx.x + i * THREADS;
      if (W_ITEMS % THREADS != 0 && at >= W_ITEMS) break;
#pragma unroll
      for (unsigned e = 0; e < PER_WORD; e++) {
        float* const to = &tiles.weights[buffer][at / (COLUMNS / 4) * PER_WORD + e][at % (COLUMNS / 4) * 4];
        *reinterpret_cast<float4*>(to) = elementsOf(w[i], e);
      }
    }
  };

  load(0);
  keep(0);
  __syncthreads();
  unsigned buffer = 0;
#pragma unroll 1
  for (unsigned stage = 0; stage < K; stage += STAGE) {
    const bool more = stage + STAGE < K;
    if (more) load(stage + STAGE);
#pragma unroll
    for (unsigned e = 0; e < STAGE; e++) {
      float a[GROUPS_M][4];
      float b[GROUPS_N][4];
#pragma unroll
      for (unsigned g = 0; g < GROUPS_M; g++) {
        loadVector(&tiles.x[buffer][e][g * (ROWS / GROUPS_M) + threadRow], a[g]);
      }
#pragma unroll
      for (unsigned g = 0; g < GROUPS_N; g++) {
        loadVector(&tiles.weights[buffer][e][g * (COLUMNS / GROUPS_N) + threadColumn], b[g]);
      }
#pragma unroll
      for (unsigned i = 0; i < GROUPS_M * 4; i++) {
#pragma unroll
        for (unsigned j = 0; j < GROUPS_N * 4; j++) sums[i][j] += a[i / 4][i % 4] * b[j / 4][j % 4];
      }
    }
    buffer ^= 1;
    if (more) keep(buffer);
    __syncthreads();
  }

#pragma unroll
  for (unsigned i = 0; i < GROUPS_M * 4; i++) {
#pragma unroll
    for (unsigned g = 0; g < GROUPS_N; g++) {
      float y[4] = {sums[i][4 * g], sums[i][4 * g + 1], sums[i][4 * g + 2], sums[i][4 * g + 3]};
      const unsigned m = firstRow + i / 4 * (ROWS / GROUPS_M) + threadRow + i % 4;
      store(arguments, aligned, m, firstColumn + g * (COLUMNS / GROUPS_N) + threadColumn, y);
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 3)
dense_gemm(const __grid_constant__ Arguments arguments) {
  __shared__ __align__(16) union {
    Tiles tiles;
    Parts parts;
  } memory;
  const unsigned firstRow = blockIdx.y * ROWS;
  const unsigned firstColumn = blockIdx.x * COLUMNS;
  const bool aligned = rowsAligned(arguments.out, 4 * sizeof(float))
    && rowsAligned(arguments.bias, 16)
    ;
  if (arguments.rows - firstRow <= FEW) multiplyFew(arguments, memory.parts, aligned, firstRow, firstColumn);
  else multiplyMany(arguments, memory.tiles, aligned, firstRow, firstColumn);
}
