#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> x;
  Operand<signed char> q;
  Operand<float> rowScale;
  Operand<int> rowSum;
};
static_assert(sizeof(Arguments) == 80, "Arguments is laid out as the runtime fills it");
#include "cuda/quantize.cuh"
#include "cuda/row.cuh"

constexpr int C = 72;
constexpr int PADDED = 80;
constexpr int V = 4;
constexpr int GROUP = 16;
constexpr int ROWS = 128 / GROUP;
static_assert(ROWS * GROUP == 128, "groups fill the block");

template <bool VECTORS>
__device__ __forceinline__ void quantizeRows(const Arguments& arguments, WarpResults& results) {
  const unsigned step = *arguments.step;
  const auto x = rowsOf(arguments.x, step);
  const auto q = rowsOf(arguments.q, step);
  const auto rowScale = rowsOf(arguments.rowScale, step);
  const auto rowSum = rowsOf(arguments.rowSum, step);
  constexpr bool HELD = VECTORS && true;
  const unsigned group = groupIndex<GROUP, ROWS>();
  const int lane = laneIndex<GROUP, ROWS>();
  GroupFold<GROUP> fold(results);
  for (unsigned first = blockIdx.x * ROWS; first < arguments.rows; first += gridDim.x * ROWS) {
    // Groups beyond the last row read it too and store nothing.
    const unsigned row = min(first + group, arguments.rows - 1);
    const bool inside = first + group < arguments.rows;
    const auto element = [&](int at) {
      auto from = x[row] + at;
      return from;
    };
    auto values = rowValues<RowShape<C, V, GROUP, HELD, PADDED>>(
        lane, [&](int at, float (&v)[V]) { loadChunkFrom<C, VECTORS>(element, at, v); });
    unsigned peak = 0;
    values.chunks([&](int, float (&v)[V]) {
#pragma unroll
      for (int e = 0; e < V; e++) peak = max(peak, magnitudeBits(v[e]));
    });
    const RowQuantization quantization = rowQuantization(fold.largest(peak));
    int sum = 0;
    values.chunks([&](int at, float (&v)[V]) {
      if (inside) sum += storeCodes(q[row] + at, v, quantization);
    });
    sum = fold.sum(sum);
    if (inside && lane == 0) {
      *rowScale[row] = quantization.scale;
      *rowSum[row] = sum;
    }
  }
}

extern "C" __global__ void __launch_bounds__(128, 8)
    quantize_rows(const __grid_constant__ Arguments arguments) {
  __shared__ WarpResults results;
  bool aligned = true && rowsAligned(arguments.x, 16);
  if (aligned) {
    quantizeRows<true>(arguments, results);
  } else {
    quantizeRows<false>(arguments, results);
  }
}
