#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> x;
  Operand<float> out;
  unsigned scalars[2];
};
static_assert(sizeof(Arguments) == 56, "Arguments is laid out as the runtime fills it");

constexpr unsigned C = 40;
constexpr unsigned PARTS = 8;
constexpr unsigned CHANNELS = 32;
constexpr unsigned ROWS = 8;
constexpr unsigned CHUNK = 8;
static_assert(CHANNELS * ROWS == 256, "threads form a rectangle");

// Entries so far: their number, their mean, and the sum of squared distances from it.
struct Moments {
  float count;
  float mean;
  float squares;

  __device__ __forceinline__ void join(const Moments& other) {
    if (other.count == 0.0f) return;
    const float total = count + other.count;
    const float apart = other.mean - mean;
    const float share = other.count / total;
    squares += other.squares + apart * apart * count * share;
    mean += apart * share;
    count = total;
  }
};

extern "C" __global__ void __launch_bounds__(256) channel_moments(const __grid_constant__ Arguments arguments) {
  __shared__ Moments all[ROWS][CHANNELS];
  const unsigned lane = threadIdx.x % CHANNELS;
  const unsigned part = threadIdx.x / CHANNELS;
  const unsigned channel = blockIdx.x * CHANNELS + lane;
  const unsigned rows = arguments.scalars[0];
  const unsigned size = (rows + PARTS - 1) / PARTS;
  const unsigned first = min((blockIdx.y + arguments.scalars[1]) * size, rows);
  const unsigned last = min(first + size, rows);
  Moments seen = {0.0f, 0.0f, 0.0f};
  if (channel < C) {
    const float* const x = rowOf(arguments.x, arguments.step, 0) + channel;
    for (unsigned row = first + part; row < last; row += ROWS * CHUNK) {
      float values[CHUNK];
      float sum = 0.0f;
      const unsigned count = min(CHUNK, (last - row + ROWS - 1) / ROWS);
#pragma unroll
      for (unsigned i = 0; i < CHUNK; i++) {
        values[i] = i < count ? x[(unsigned long long)(row + i * ROWS) * arguments.x.stride] : 0.0f;
        sum += values[i];
      }
      const float mean = sum / (float)count;
      float squares = 0.0f;
#pragma unroll
      for (unsigned i = 0; i < CHUNK; i++) {
        const float d = i < count ? values[i] - mean : 0.0f;
        squares += d * d;
      }
      seen.join({(float)count, mean, squares});
    }
  }
  all[part][lane] = seen;
  __syncthreads();
  if (part != 0 || channel >= C) return;
  for (unsigned i = 1; i < ROWS; i++) seen.join(all[i][lane]);
  float* const out = rowOf(arguments.out, arguments.step, blockIdx.y);
  out[channel] = seen.mean;
  out[C + channel] = seen.squares;
}
