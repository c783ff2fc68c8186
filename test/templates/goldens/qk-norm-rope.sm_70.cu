#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> x;
  Operand<const float> weight;
  Operand<const float> cosines;
  Operand<const float> sines;
  Operand<float> out;
};
static_assert(sizeof(Arguments) == 96, "Arguments is laid out as the runtime fills it");
#include "cuda/reduce.cuh"
#include "cuda/row.cuh"

constexpr int HEADS = 2;
constexpr int D = 32;
constexpr int V = 4;
constexpr int GROUP = 4;
constexpr int GROUPS = 128 / GROUP;
static_assert(GROUPS * GROUP == 128, "groups fill the block");
static_assert(D % 2 == 0, "channels rotate in pairs");

template <bool VECTORS>
__device__ __forceinline__ void rotateHeads(const Arguments& arguments, WarpResults& results) {
  const unsigned step = *arguments.step;
  const auto x = rowsOf(arguments.x, step);
  const auto out = rowsOf(arguments.out, step);
  const float* weight = rowsOf(arguments.weight, step)[0];
  const auto cosines = rowsOf(arguments.cosines, step);
  const auto sines = rowsOf(arguments.sines, step);
  constexpr bool HELD = VECTORS && true;
  const unsigned group = groupIndex<GROUP, GROUPS>();
  const int lane = laneIndex<GROUP, GROUPS>();
  GroupFold<GROUP> fold(results);
  const unsigned total = arguments.rows * HEADS;
  for (unsigned first = blockIdx.x * GROUPS; first < total; first += gridDim.x * GROUPS) {
    // Groups beyond the last head read it too and store nothing.
    const unsigned item = min(first + group, total - 1);
    const bool inside = first + group < total;
    const unsigned row = item / HEADS;
    const unsigned channel = item % HEADS * D;
    auto values = rowValues<RowShape<D, V, GROUP, HELD>>(
        lane, [&](int at, float (&v)[V]) { loadChunk<D, VECTORS>(x[row] + channel, at, v); });
    float squares = 0.0f;
    values.elements([&](float v) { squares = __fmaf_rn(v, v, squares); });
    const float factor = rsqrtf(fold.sum(squares) * (1.0f / D) + 0.000001);
    values.chunks([&](int at, float (&v)[V]) {
#pragma unroll
      for (int e = 0; e < V; e++) v[e] *= factor;
      float gain[V];
      loadChunk<D, VECTORS>(weight, at, gain);
#pragma unroll
      for (int e = 0; e < V; e++) v[e] *= gain[e];
      float c[V / 2], s[V / 2];
      loadChunk<D / 2, VECTORS>(cosines[row], at / 2, c);
      loadChunk<D / 2, VECTORS>(sines[row], at / 2, s);
#pragma unroll
      for (int e = 0; e < V; e += 2) {
        const float x0 = v[e];
        const float x1 = v[e + 1];
        v[e] = x0 * c[e / 2] - x1 * s[e / 2];
        v[e + 1] = x1 * c[e / 2] + x0 * s[e / 2];
      }
      if (inside) storeChunk<D, VECTORS>(out[row] + channel, at, v);
    });
  }
}

extern "C" __global__ void __launch_bounds__(128, 8)
    qk_norm_rope(const __grid_constant__ Arguments arguments) {
  __shared__ WarpResults results;
  // Heads start at multiples of a vector.
  bool aligned = (HEADS == 1 || D % V == 0) && rowsAligned(arguments.x, 16) && rowsAligned(arguments.out, 16);
  aligned = aligned && rowsAligned(arguments.weight, 16);
  aligned = aligned && rowsAligned(arguments.cosines, 16) && rowsAligned(arguments.sines, 16);
  if (aligned) {
    rotateHeads<true>(arguments, results);
  } else {
    rotateHeads<false>(arguments, results);
  }
}
