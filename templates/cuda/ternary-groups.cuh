#pragma once
#include "cuda/ptx/pin.cuh"
#include "cuda/ternary-fragments.cuh"

// What 8-bit products with a scale for each group of inputs are made of.

// Weights are bytes w = -64 t: in the upper two bits of a byte, codes 0, 1 and 2 become 64, 0 and -64 by one exclusive or.
// Sums of them are exact, and |sum| < 2^21 in a group of 256. Where the compiler knew of the exclusive or, it would do it
// anew for every register.
__device__ __forceinline__ unsigned groupCodes(unsigned word) {
  word ^= 0x55555555u;
  pin(word);
  return word;
}
__device__ __forceinline__ uint4 groupCodes(const uint4& words) {
  return make_uint4(groupCodes(words.x), groupCodes(words.y), groupCodes(words.z), groupCodes(words.w));
}

// The A fragment of m16n8k32, of a word of groupCodes.
__device__ __forceinline__ void unpackWeights(unsigned (&a)[4], unsigned word) {
#pragma unroll
  for (unsigned i = 0; i < 4; i++) a[i] = (word << (6 - 2 * i)) & 0xc0c0c0c0u;
}

// What sums of weights are multiplied with: exact, as is their product with it as often as that of the sum of t and `scale`.
__device__ __forceinline__ float scaleOfWeights(float scale) { return scale * (-1.0f / 64.0f); }
