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

__device__ __forceinline__ float foldTwo(float total, float value) { return total + value; }
__device__ __forceinline__ float contribution(float value) { return value; }
__device__ __forceinline__ float finish(float total, float c) { return total / c; }

template <int GROUP, bool VECTORS>
__device__ __forceinline__ void reduceRows(const Arguments& arguments, WarpResults& results) {
  constexpr int ROWS = 256 / GROUP;
  const unsigned step = *arguments.step;
  const auto x = rowsOf(arguments.x, step);
  const auto out = rowsOf(arguments.out, step);
  const unsigned length = arguments.scalars[0];
  const unsigned group = groupIndex<GROUP, ROWS>();
  const int lane = laneIndex<GROUP, ROWS>();
  GroupFold<GROUP> groupFold(results);
  for (unsigned first = blockIdx.x * ROWS; first < arguments.rows; first += gridDim.x * ROWS) {
    // Groups beyond the last row read it too and store nothing.
    const unsigned row = min(first + group, arguments.rows - 1);
    const bool inside = first + group < arguments.rows;
    float shift = 0.0f;
    float total = 0.0f;
    streamRow<GROUP, VECTORS>(x[row], length, lane, [&](unsigned, const float (&v)[4], unsigned count) {
      for (unsigned e = 0; e < 4; e++) total = e < count ? foldTwo(total, contribution(v[e] - shift)) : total;
    });
    total = groupFold(total, [](float a, float b) { return foldTwo(a, b); });
    if (inside && lane == 0) *out[row] = finish(total, (float)length) + shift;
  }
}

extern "C" __global__ void __launch_bounds__(256, 4)
    reduce(const __grid_constant__ Arguments arguments) {
  __shared__ WarpResults results;
  const bool aligned = rowsAligned(arguments.x, 16);
  if (arguments.scalars[0] <= WARP_ROW) {
    if (aligned) reduceRows<32, true>(arguments, results);
    else reduceRows<32, false>(arguments, results);
  } else {
    if (aligned) reduceRows<256, true>(arguments, results);
    else reduceRows<256, false>(arguments, results);
  }
}
