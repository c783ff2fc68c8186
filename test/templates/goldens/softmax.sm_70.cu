#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> x;
  Operand<float> out;
  unsigned scalars[1];
};
static_assert(sizeof(Arguments) == 56, "Arguments is laid out as the runtime fills it");
#include "cuda/reduce.cuh"
#include "cuda/row.cuh"
#include "cuda/stream.cuh"

constexpr unsigned WARP_ROW = 1024;  // elements up to which a warp takes a row

// Σ exp(v − peak) over the elements seen, and their peak. A finite start keeps exp(−∞ − peak) at 0.
struct Exponentials {
  float peak = -3.402823466e38f;
  float sum = 0.0f;

  __device__ __forceinline__ void raise(float other) {
    if (other > peak) {
      sum *= expf(peak - other);
      peak = other;
    }
  }
};

template <int GROUP, bool VECTORS>
__device__ __forceinline__ void softmaxRows(const Arguments& arguments, WarpResults& results) {
  constexpr int ROWS = 256 / GROUP;
  const unsigned step = *arguments.step;
  const auto x = rowsOf(arguments.x, step);
  const auto out = rowsOf(arguments.out, step);
  const unsigned length = arguments.scalars[0];
  const unsigned group = groupIndex<GROUP, ROWS>();
  const int lane = laneIndex<GROUP, ROWS>();
  GroupFold<GROUP> fold(results);
  for (unsigned first = blockIdx.x * ROWS; first < arguments.rows; first += gridDim.x * ROWS) {
    // Groups beyond the last row read it too and store nothing.
    const unsigned row = min(first + group, arguments.rows - 1);
    const bool inside = first + group < arguments.rows;
    Exponentials seen;
    streamRow<GROUP, VECTORS>(x[row], length, lane, [&](unsigned, const float (&v)[4], unsigned count) {
      float peak = v[0];
      for (unsigned e = 1; e < 4; e++) peak = e < count ? fmaxf(peak, v[e]) : peak;
      seen.raise(peak);
      for (unsigned e = 0; e < 4; e++) seen.sum += e < count ? expf(v[e] - seen.peak) : 0.0f;
    });
    const float peak = fold.largest(seen.peak);
    const float total = fold.sum(seen.sum * expf(seen.peak - peak));
    const float factor = 1.0f / total;
    if (inside) {
      streamRow<GROUP, VECTORS>(x[row], length, lane, [&](unsigned at, float (&v)[4], unsigned count) {
        for (unsigned e = 0; e < 4; e++) {
          v[e] = expf(v[e] - peak) * factor;
        }
        storeStreamed<VECTORS>(out[row], at, v, count);
      });
    }
  }
}

extern "C" __global__ void __launch_bounds__(256, 4)
    softmax(const __grid_constant__ Arguments arguments) {
  __shared__ WarpResults results;
  const bool aligned = rowsAligned(arguments.x, 16) && rowsAligned(arguments.out, 16);
  if (arguments.scalars[0] <= WARP_ROW) {
    if (aligned) softmaxRows<32, true>(arguments, results);
    else softmaxRows<32, false>(arguments, results);
  } else {
    if (aligned) softmaxRows<256, true>(arguments, results);
    else softmaxRows<256, false>(arguments, results);
  }
}
