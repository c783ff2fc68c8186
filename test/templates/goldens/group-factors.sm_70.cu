#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> moments;
  Operand<const float> scale;
  Operand<float> mean;
  Operand<float> factor;
  unsigned scalars[1];
};
static_assert(sizeof(Arguments) == 88, "Arguments is laid out as the runtime fills it");

constexpr unsigned C = 40;
constexpr unsigned CHANNELS = 10;
constexpr unsigned PARTS = 8;
constexpr unsigned THREADS = 256;

// The sum of a value of every thread, the same in all of them.
__device__ __forceinline__ double sumOfThreads(double (&parts)[THREADS], double value) {
  __syncthreads();
  parts[threadIdx.x] = value;
#pragma unroll 1
  for (unsigned half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
  }
  __syncthreads();
  return parts[0];
}

// The rows of a part.
__device__ __forceinline__ unsigned rowsOfPart(unsigned rows, unsigned part) {
  const unsigned size = (rows + PARTS - 1) / PARTS;
  return min((part + 1) * size, rows) - min(part * size, rows);
}

extern "C" __global__ void __launch_bounds__(THREADS) group_factors(const __grid_constant__ Arguments arguments) {
  __shared__ double parts[THREADS];
  const unsigned rows = arguments.scalars[0];
  const double all = (double)rows * CHANNELS;
  double sum = 0.0;
  for (unsigned i = threadIdx.x; i < PARTS * CHANNELS; i += THREADS) {
    const float* const moments = rowOf(arguments.moments, arguments.step, i / CHANNELS) + blockIdx.y * CHANNELS;
    sum += (double)rowsOfPart(rows, i / CHANNELS) * moments[i % CHANNELS];
  }
  const double middle = sumOfThreads(parts, sum) / all;
  double squares = 0.0;
  for (unsigned i = threadIdx.x; i < PARTS * CHANNELS; i += THREADS) {
    const float* const moments = rowOf(arguments.moments, arguments.step, i / CHANNELS) + blockIdx.y * CHANNELS;
    const double d = moments[i % CHANNELS] - middle;
    squares += moments[C + i % CHANNELS] + rowsOfPart(rows, i / CHANNELS) * d * d;
  }
  const double inverse = 1.0 / sqrt(sumOfThreads(parts, squares) / all + 0.000001);
  const float* const scale = rowOf(arguments.scale, arguments.step, blockIdx.y);
  float* const mean = rowOf(arguments.mean, arguments.step, blockIdx.y);
  float* const factor = rowOf(arguments.factor, arguments.step, blockIdx.y);
  for (unsigned i = threadIdx.x; i < CHANNELS; i += THREADS) {
    mean[i] = (float)middle;
    factor[i] = (float)(inverse * scale[i]);
  }
}
