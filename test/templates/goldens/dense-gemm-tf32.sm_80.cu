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
#include "cuda/tf32-tile.cuh"

constexpr unsigned N = 96;
constexpr unsigned K = 80;
constexpr unsigned THREADS = 128;
constexpr unsigned WARPS_N = 2;
constexpr unsigned WARPS_M = THREADS / 32 / WARPS_N;
constexpr unsigned GROUPS_M = 4;
constexpr unsigned GROUPS_N = 8;
constexpr unsigned ROWS = WARPS_M * 16 * GROUPS_M;
constexpr unsigned COLUMNS = WARPS_N * 8 * GROUPS_N;
constexpr unsigned PANEL = 64;
constexpr unsigned PANELS = (N + PANEL - 1) / PANEL;
constexpr unsigned STAGE = 16;
constexpr unsigned X_LOADS = ROWS * STAGE / 4 / THREADS;
constexpr unsigned W_LOADS = COLUMNS * STAGE / 4 / THREADS;
static_assert(WARPS_M * WARPS_N * 32 == THREADS, "warps form a rectangle");
static_assert(COLUMNS % PANEL == 0, "a block covers whole panels");
static_assert(X_LOADS * THREADS * 4 == ROWS * STAGE, "x is loaded in whole rounds");
static_assert(W_LOADS * THREADS * 4 == COLUMNS * STAGE, "weights are loaded in whole rounds");

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

// The end of a product: two columns of row m. `aligned` tells whether the rows of every operand allow pairs.
__device__ __forceinline__ void store(const Arguments& arguments, bool aligned, unsigned m, unsigned n, float (&y)[2]) {
  if (m >= arguments.rows || n >= N) return;
  const float* const bias = rowOf(arguments.bias, arguments.step, 0) + n;
  const float* const gate = rowOf(arguments.gate, arguments.step, m) + n;
  const float* const residual = rowOf(arguments.residual, arguments.step, m) + n;
  float* const out = rowOf(arguments.out, arguments.step, m) + n;
  if (aligned && n + 2 <= N) {
    float offsets[2];
    loadVector(bias, offsets);
    float gates[2];
    float residuals[2];
    loadVector(gate, gates);
    loadVector(residual, residuals);
#pragma unroll
    for (unsigned i = 0; i < 2; i++) {
      y[i] = activate_none(y[i] + offsets[i]);
      y[i] = residuals[i] + gates[i] * y[i];
    }
    *reinterpret_cast<float2*>(out) = make_float2(y[0], y[1]);
    return;
  }
#pragma unroll
  for (unsigned i = 0; i < 2; i++) {
    if (n + i >= N) return;
    const float value = activate_none(y[i] + bias[i]);
    storeFloat(out + i, residual[i] + gate[i] * value);
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
dense_gemm(const __grid_constant__ Arguments arguments) {
  __shared__ __align__(16) Tf32Stage<ROWS, COLUMNS, STAGE> stages[2];
  const unsigned firstRow = blockIdx.y * ROWS;
  const unsigned firstColumn = blockIdx.x * COLUMNS;
  const float* const weights = rowOf(arguments.weights, arguments.step, 0);
  const bool xAligned = rowsAligned(arguments.x, 4 * sizeof(float));
  const bool aligned = rowsAligned(arguments.out, 2 * sizeof(float))
    && rowsAligned(arguments.bias, 8)
    && rowsAligned(arguments.gate, 8) && rowsAligned(arguments.residual, 8)
    ;
  const unsigned warpRow = threadIdx.x / 32 / WARPS_N * (16 * GROUPS_M);
  const unsigned warpColumn = threadIdx.x / 32 % WARPS_N * (8 * GROUPS_N);
  float x[X_LOADS][4];
  float4 w[W_LOADS];
  float sums[GROUPS_M][GROUPS_N][4] = {};

  const auto load = [&](unsigned from) {
#pragma unroll
    for (unsigned i = 0; i < X_LOADS; i++) {
      const unsigned at = threadIdx.x + i * THREADS;
      loadX(x[i], arguments, xAligned, firstRow + at / (STAGE / 4), from + at % (STAGE / 4) * 4);
    }
#pragma unroll
    for (unsigned i = 0; i < W_LOADS; i++) {
      const unsigned at = threadIdx.x + i * THREADS;
      w[i] = loadWeights(weights, firstColumn + at % (COLUMNS / 4) * 4, from + at / (COLUMNS / 4));
    }
  };
  const auto keep = [&](Tf32Stage<ROWS, COLUMNS, STAGE>& stage) {
#pragma unroll
    for (unsigned i = 0; i < X_LOADS; i++) {
      const unsigned at = threadIdx.x + i * THREADS;
      storeTf32(&stage.x[at / (STAGE / 4)][at % (STAGE / 4) * 4], x[i][0], x[i][1], x[i][2], x[i][3]);
    }
#pragma unroll
    for (unsigned i = 0; i < W_LOADS; i++) {
      const unsigned at = threadIdx.x + i * THREADS;
      storeTf32(&stage.weights[at / (COLUMNS / 4)][at % (COLUMNS / 4) * 4], w[i].x, w[i].y, w[i].z, w[i].w);
    }
  };

  load(0);
  keep(stages[0]);
  __syncthreads();
  unsigned buffer = 0;
#pragma unroll 1
  for (unsigned from = 0; from < K; from += STAGE) {
    const bool more = from + STAGE < K;
    if (more) load(from + STAGE);
    multiplyStage(sums, stages[buffer], warpRow, warpColumn);
    buffer ^= 1;
    if (more) keep(stages[buffer]);
    __syncthreads();
  }

  const unsigned row = firstRow + warpRow + threadIdx.x % 32 / 4;
  const unsigned column = firstColumn + warpColumn + threadIdx.x % 4 * 2;
#pragma unroll
  for (unsigned m = 0; m < GROUPS_M; m++) {
#pragma unroll
    for (unsigned n = 0; n < GROUPS_N; n++) {
#pragma unroll
      for (unsigned half = 0; half < 2; half++) {
        float y[2] = {sums[m][n][2 * half], sums[m][n][2 * half + 1]};
        store(arguments, aligned, row + 16 * m + 8 * half, column + 8 * n, y);
      }
    }
  }
}
