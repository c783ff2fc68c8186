#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> x;
  Operand<const float> weights;
  Operand<const float> bias;
  Operand<const float> residual;
  Operand<float> out;
  unsigned scalars[5];
};
static_assert(sizeof(Arguments) == 120, "Arguments is laid out as the runtime fills it");
#include "cuda/vector.cuh"

constexpr unsigned N = 96;
constexpr unsigned C = 20;
constexpr unsigned KERNEL_X = 3;
constexpr unsigned TAPS = 3 * KERNEL_X;
constexpr unsigned K = TAPS * C;
constexpr unsigned UPSAMPLE = 2;
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
// Stages of one pixel of the windows.
constexpr unsigned STAGES = (C + STAGE - 1) / STAGE;
// Shared rows stay aligned to 16 bytes and start in another bank.
constexpr unsigned PITCH = ROWS + 4;
constexpr unsigned X_LOADS = ROWS * STAGE / 4 / THREADS;
constexpr unsigned W_LOADS = COLUMNS * STAGE / 4 / THREADS;
static_assert(THREADS_Y * THREADS_X == THREADS, "threads form a rectangle");
static_assert(COLUMNS % PANEL == 0, "a block covers whole panels");
static_assert(X_LOADS * THREADS * 4 == ROWS * STAGE, "x is loaded in whole rounds");
static_assert(W_LOADS * THREADS * 4 == COLUMNS * STAGE, "weights are loaded in whole rounds");

struct Tiles {
  float x[2][STAGE][PITCH];
  float weights[2][STAGE][COLUMNS];
};

// The upper left corner of a row's window in the enlarged picture; far outside for rows beyond the last one.
struct Window {
  int y;
  int z;
};
__device__ __forceinline__ Window windowOf(const Arguments& arguments, unsigned m) {
  if (m >= arguments.rows) return {-(1 << 30), -(1 << 30)};
  const unsigned at = m + arguments.scalars[4];
  const unsigned width = arguments.scalars[3];
  return {(int)(at / width * 1) - 1, (int)(at % width * 1) - 1 };
}

// Four channels of a pixel of a window; zeros outside the picture.
__device__ __forceinline__ void loadX(
  float (&v)[4], const Arguments& arguments, bool aligned, const Window& window, unsigned tap, unsigned channel
) {
  v[0] = v[1] = v[2] = v[3] = 0.0f;
  // Negative coordinates are large ones.
  const unsigned y = (unsigned)(window.y + (int)(tap / KERNEL_X));
  const unsigned z = (unsigned)(window.z + (int)(tap % KERNEL_X));
  const unsigned width = arguments.scalars[1];
  if (y >= arguments.scalars[0] * UPSAMPLE || z >= width * UPSAMPLE) return;
  const float* const from = rowOf(arguments.x, arguments.step, y / UPSAMPLE * width + z / UPSAMPLE) + channel;
  if (aligned && channel + 4 <= C) {
    loadVector(from, v);
    return;
  }
#pragma unroll
  for (unsigned i = 0; i < 4; i++) {
    if (channel + i < C) v[i] = from[i];
  }
}

// Weights of four filters for a channel of a pixel; zeros outside.
__device__ __forceinline__ float4 loadWeights(const float* weights, unsigned column, unsigned tap, unsigned channel) {
  const unsigned panel = column / PANEL;
  if (panel >= PANELS || channel >= C) return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  const unsigned long long at = ((unsigned long long)panel * K + tap * C + channel) * PANEL + column % PANEL;
  return *reinterpret_cast<const float4*>(weights + at);
}

// The end of a product: four columns of row m. `aligned` tells whether the rows of every operand allow vectors.
__device__ __forceinline__ void store(const Arguments& arguments, bool aligned, unsigned m, unsigned n, float (&y)[4]) {
  if (m >= arguments.rows || n >= N) return;
  const float* const bias = rowOf(arguments.bias, arguments.step, 0) + n;
  const float* const residual = rowOf(arguments.residual, arguments.step, m) + n;
  float* const out = rowOf(arguments.out, arguments.step, m) + n;
  if (aligned && n + 4 <= N) {
    float offsets[4];
    loadVector(bias, offsets);
#pragma unroll
    for (unsigned i = 0; i < 4; i++) y[i] += offsets[i];
    float residuals[4];
    loadVector(residual, residuals);
#pragma unroll
    for (unsigned i = 0; i < 4; i++) y[i] += residuals[i];
    storeVector(out, y);
    return;
  }
#pragma unroll
  for (unsigned i = 0; i < 4; i++) {
    if (n + i >= N) return;
    out[i] = y[i] + bias[i] + residual[i];
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 3)
image_conv(const __grid_constant__ Arguments arguments) {
  __shared__ __align__(16) Tiles tiles;
  const unsigned firstRow = blockIdx.y * ROWS;
  const unsigned firstColumn = blockIdx.x * COLUMNS;
  const float* const weights = rowOf(arguments.weights, arguments.step, 0);
  const bool xAligned = rowsAligned(arguments.x, 16);
  const bool aligned = rowsAligned(arguments.out, 16)
    && rowsAligned(arguments.bias, 16)
    && rowsAligned(arguments.residual, 16)
    ;
  const unsigned threadRow = threadIdx.x / THREADS_X * 4;
  const unsigned threadColumn = threadIdx.x % THREADS_X * 4;
  Window windows[X_LOADS];
#pragma unroll
  for (unsigned i = 0; i < X_LOADS; i++) {
    windows[i] = windowOf(arguments, firstRow + (threadIdx.x + i * THREADS) / (STAGE / 4));
  }
  float x[X_LOADS][4];
  float4 w[W_LOADS];
  float sums[GROUPS_M * 4][GROUPS_N * 4] = {};

  const auto load = [&](unsigned tap, unsigned stage) {
#pragma unroll
    for (unsigned i = 0; i < X_LOADS; i++) {
      const unsigned at = threadIdx.x + i * THREADS;
      loadX(x[i], arguments, xAligned, windows[i], tap, stage * STAGE + at % (STAGE / 4) * 4);
    }
#pragma unroll
    for (unsigned i = 0; i < W_LOADS; i++) {
      const unsigned at = threadIdx.x + i * THREADS;
      w[i] = loadWeights(weights, firstColumn + at % (COLUMNS / 4) * 4, tap, stage * STAGE + at / (COLUMNS / 4));
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

  load(0, 0);
  keep(0);
  __syncthreads();
  unsigned buffer = 0;
#pragma unroll 1
  for (unsigned step = 1; step <= TAPS * STAGES; step++) {
    const bool more = step < TAPS * STAGES;
    if (more) load(step / STAGES, step % STAGES);
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
