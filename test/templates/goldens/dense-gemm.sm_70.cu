#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> x;
  Operand<const float> weights;
  Operand<const float> bias;
  Operand<const float> gate;
  Operand<const float> residual;
  Operand<float> out;
};
static_assert(sizeof(Arguments) == 112, "Arguments is laid out as the runtime fills it");
#include "cuda/vector.cuh"
#include "cuda/activation.cuh"

constexpr unsigned N = 96;
constexpr unsigned K = 80;
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
constexpr unsigned W_LOADS = COLUMNS * STAGE / 4 / THREADS;
// Rows of a block that does without shared memory for its operands, and the parts of k it splits.
constexpr unsigned FEW = 4;
constexpr unsigned PARTS = THREADS / (COLUMNS / 4);
static_assert(THREADS_Y * THREADS_X == THREADS, "threads form a rectangle");
static_assert(COLUMNS % PANEL == 0, "a block covers whole panels");
static_assert(X_LOADS * THREADS * 4 == ROWS * STAGE, "x is loaded in whole rounds");
static_assert(W_LOADS * THREADS * 4 == COLUMNS * STAGE, "weights are loaded in whole rounds");

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

// Weights of four columns at k; zeros outside.
__device__ __forceinline__ float4 loadWeights(const float* weights, unsigned column, unsigned k) {
  const unsigned panel = column / PANEL;
  if (panel >= PANELS || k >= K) return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  const unsigned long long at = ((unsigned long long)panel * K + k) * PANEL + column % PANEL;
  return *reinterpret_cast<const float4*>(weights + at);
}

// The end of a product: four columns of row m. `aligned` tells whether the rows of every operand allow vectors.
__device__ __forceinline__ void store(const Arguments& arguments, bool aligned, unsigned m, unsigned n, float (&y)[4]) {
  if (m >= arguments.rows || n >= N) return;
  const float* const bias = rowOf(arguments.bias, arguments.step, 0) + n;
  const float* const gate = rowOf(arguments.gate, arguments.step, m) + n;
  const float* const residual = rowOf(arguments.residual, arguments.step, m) + n;
  float* const out = rowOf(arguments.out, arguments.step, m) + n;
  if (aligned && n + 4 <= N) {
    float offsets[4];
    loadVector(bias, offsets);
    float gates[4];
    float residuals[4];
    loadVector(gate, gates);
    loadVector(residual, residuals);
#pragma unroll
    for (unsigned i = 0; i < 4; i++) {
      y[i] = activate_none(y[i] + offsets[i]);
      y[i] = residuals[i] + gates[i] * y[i];
    }
    storeVector(out, y);
    return;
  }
#pragma unroll
  for (unsigned i = 0; i < 4; i++) {
    if (n + i >= N) return;
    const float value = activate_none(y[i] + bias[i]);
    storeFloat(out + i, residual[i] + gate[i] * value);
  }
}

// Up to FEW rows: every thread sums four columns over its part of k, then the parts are added.
__device__ __forceinline__ void multiplyFew(
  const Arguments& arguments, Parts& parts, bool aligned, unsigned firstRow, unsigned firstColumn
) {
  const float* const weights = rowOf(arguments.weights, arguments.step, 0);
  const unsigned column = threadIdx.x % (COLUMNS / 4) * 4;
  const unsigned part = threadIdx.x / (COLUMNS / 4);
  float sums[FEW][4] = {};
#pragma unroll 8
  for (unsigned k = part; k < K; k += PARTS) {
    const float4 w = loadWeights(weights, firstColumn + column, k);
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
  const float* const weights = rowOf(arguments.weights, arguments.step, 0);
  const bool xAligned = rowsAligned(arguments.x, 4 * sizeof(float));
  const unsigned threadRow = threadIdx.x / THREADS_X * 4;
  const unsigned threadColumn = threadIdx.x % THREADS_X * 4;
  float x[X_LOADS][4];
  float4 w[W_LOADS];
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
      w[i] = loadWeights(weights, firstColumn + at % (COLUMNS / 4) * 4, stage + at / (COLUMNS / 4));
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
      *reinterpret_cast<float4*>(&tiles.weights[buffer][at / (COLUMNS / 4)][at % (COLUMNS / 4) * 4]) = w[i];
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
    && rowsAligned(arguments.gate, 16) && rowsAligned(arguments.residual, 16)
    ;
  if (arguments.rows - firstRow <= FEW) multiplyFew(arguments, memory.parts, aligned, firstRow, firstColumn);
  else multiplyMany(arguments, memory.tiles, aligned, firstRow, firstColumn);
}
