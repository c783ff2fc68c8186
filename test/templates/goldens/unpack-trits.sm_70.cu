#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const unsigned char> trits;
  Operand<unsigned> weights;
};
static_assert(sizeof(Arguments) == 48, "Arguments is laid out as the runtime fills it");

constexpr unsigned N = 96;
constexpr unsigned K = 80;
constexpr unsigned ROW_BYTES = 16;
constexpr unsigned THREADS = 160;
constexpr unsigned GROUPS = (N + 63) / 64 * 4;
constexpr unsigned K_BLOCKS = (K + 127) / 128;
constexpr unsigned TRITS = 5;
// Stored bytes of a row that one turn reads.
constexpr unsigned TURN_BYTES = 128;
constexpr unsigned TURN_BLOCKS = TURN_BYTES * TRITS / 128;
// 16 bytes more from row to row: eight rows by four words then lie in 32 banks.
constexpr unsigned PITCH = TURN_BYTES * TRITS + 16;
static_assert(THREADS == 32 * TURN_BLOCKS, "a warp for each block");

// Four codes of the fragment, at bits 0 of every byte.
__device__ __forceinline__ unsigned collect(const unsigned char* codes, unsigned lane, unsigned i) {
  return *reinterpret_cast<const unsigned*>(codes + (lane / 4 + i % 2 * 8) * PITCH + i / 2 * 16 + 4 * (lane % 4));
}

extern "C" __global__ void __launch_bounds__(160) unpack_trits(const __grid_constant__ Arguments arguments) {
  __shared__ __align__(16) unsigned char codes[16 * PITCH];
  const unsigned warp = threadIdx.x / 32;
  const unsigned lane = threadIdx.x % 32;
  const unsigned char* trits = rowOf(arguments.trits, arguments.step, 0);
  uint4* weights = reinterpret_cast<uint4*>(rowOf(arguments.weights, arguments.step, 0));
  // The grid covers n channels; whole blocks of 64 have a few groups more.
  for (unsigned group = blockIdx.x; group < GROUPS; group += gridDim.x) {
    for (unsigned turn = 0; turn * TURN_BLOCKS < K_BLOCKS; turn++) {
      __syncthreads();
      for (unsigned i = threadIdx.x; i < 16 * TURN_BYTES; i += THREADS) {
        const unsigned channel = group * 16 + i / TURN_BYTES;
        const unsigned at = turn * TURN_BYTES + i % TURN_BYTES;
        const bool inside = channel < N && at < ROW_BYTES;
        // 121 = Σ 3ⁱ: five zeros.
        unsigned byte = inside ? trits[(unsigned long long)channel * ROW_BYTES + at] : 121u;
        unsigned char* to = codes + i / TURN_BYTES * PITCH + i % TURN_BYTES * TRITS;
#pragma unroll
        for (unsigned j = 0; j < TRITS; j++) {
          to[j] = at * TRITS + j < K ? (unsigned char)(byte % 3) : (unsigned char)1;
          byte /= 3;
        }
      }
      __syncthreads();
      const unsigned block = turn * TURN_BLOCKS + warp;
      if (block >= K_BLOCKS) continue;
      unsigned words[4];
#pragma unroll
      for (unsigned j = 0; j < 4; j++) {
        words[j] = 0;
#pragma unroll
        for (unsigned i = 0; i < 4; i++) words[j] |= collect(codes + warp * 128 + j * 32, lane, i) << (2 * i);
      }
      weights[((unsigned long long)(group / 4) * K_BLOCKS + block) * 128 + group % 4 * 32 + lane] =
          make_uint4(words[0], words[1], words[2], words[3]);
    }
  }
}
