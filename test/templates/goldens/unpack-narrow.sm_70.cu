#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const unsigned char> source;
  Operand<unsigned> weights;
};
static_assert(sizeof(Arguments) == 48, "Arguments is laid out as the runtime fills it");
#include "cuda/blocks.cuh"

constexpr unsigned N = 96;
constexpr unsigned K = 96;
constexpr unsigned THREADS = 64;
constexpr unsigned PANEL = 64;
constexpr unsigned PANELS = (N + PANEL - 1) / PANEL;
constexpr unsigned GROUPS = K / 32;
constexpr unsigned WORDS = 12;
constexpr unsigned PART_WORDS = 32 / 8;
constexpr unsigned long long ROW_BYTES = 54;
static_assert(THREADS == PANEL, "a thread for each column of a panel");

extern "C" __global__ void __launch_bounds__(THREADS) unpack_narrow(const __grid_constant__ Arguments arguments) {
  const unsigned panel = blockIdx.x;
  const unsigned part = blockIdx.y;
  const unsigned column = panel * PANEL + threadIdx.x;
  const bool inside = column < N;
  unsigned* const weights = rowOf(arguments.weights, arguments.step, 0);
  const unsigned char* from = rowOf(arguments.source, arguments.step, 0) + column * ROW_BYTES;
  from += part * 18;
  unsigned* const scales = weights + (unsigned long long)PANELS * PANEL * WORDS;
  scales[((unsigned long long)panel * GROUPS + part) * PANEL + threadIdx.x] = __float_as_uint(inside ? halfOf(halfAt(from)) : 0.0f);
  for (unsigned j = 0; j < PART_WORDS; j++) {
    const unsigned at = part * PART_WORDS + j;
    if (at >= WORDS) return;
    unsigned word = 0;
    if (inside) {
      // Elements i and i + 16 are the halves of byte i.
      const unsigned char* const bytes = from + 2 + 8 * (j & 1);
      const unsigned shift = 4 * (j / 2);
      word = nibbles(wordAt(bytes) >> shift) | nibbles(wordAt(bytes + 4) >> shift) << 16;
    }
    weights[((unsigned long long)panel * WORDS + at) * PANEL + threadIdx.x] = word;
  }
}
