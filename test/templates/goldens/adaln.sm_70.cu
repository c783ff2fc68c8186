#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> x;
  Operand<const float> shift;
  Operand<const float> scale;
  Operand<float> out;
};
static_assert(sizeof(Arguments) == 80, "Arguments is laid out as the runtime fills it");
#include "cuda/moments.cuh"

constexpr int C = 96;
constexpr int V = 4;
constexpr int GROUP = 16;
constexpr int ROWS = 128 / GROUP;
static_assert(ROWS * GROUP == 128, "groups fill the block");

template <bool VECTORS>
__device__ __forceinline__ void modulateRows(const Arguments& arguments, WarpResults& results) {
  const unsigned step = *arguments.step;
  const auto x = rowsOf(arguments.x, step);
  const auto shift = rowsOf(arguments.shift, step);
  const auto scale = rowsOf(arguments.scale, step);
  const auto out = rowsOf(arguments.out, step);
  constexpr bool HELD = VECTORS && true;
  const unsigned group = groupIndex<GROUP, ROWS>();
  const int lane = laneIndex<GROUP, ROWS>();
  GroupFold<GROUP> fold(results);
  for (unsigned first = blockIdx.x * ROWS; first < arguments.rows; first += gridDim.x * ROWS) {
    // Groups beyond the last row read it too and store nothing.
    const unsigned row = min(first + group, arguments.rows - 1);
    const bool inside = first + group < arguments.rows;
    auto values = rowValues<RowShape<C, V, GROUP, HELD>>(
        lane, [&](int at, float (&v)[V]) { loadChunkOnce<C, VECTORS>(x[row], at, v); });
    const Moments moments = momentsOf<C>(values, fold, 0.000001);
    values.chunks([&](int at, float (&v)[V]) {
      modulate<C, VECTORS>(v, moments, shift[row], scale[row], at);
      if (inside) storeChunk<C, VECTORS>(out[row], at, v);
    });
  }
}

extern "C" __global__ void __launch_bounds__(128, 6)
    adaln(const __grid_constant__ Arguments arguments) {
  __shared__ WarpResults results;
  if (rowsAligned(arguments.x, 16) && rowsAligned(arguments.shift, 16) && rowsAligned(arguments.scale, 16) &&
      rowsAligned(arguments.out, 16)) {
    modulateRows<true>(arguments, results);
  } else {
    modulateRows<false>(arguments, results);
  }
}
