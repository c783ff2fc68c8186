#pragma once

// The mask of the first tokens of those that are both queries and keys; 1 of the tokens behind them.
struct TokenMask {
  const float* data;
  unsigned tokens;

  __device__ __forceinline__ float of(unsigned token) const { return token < tokens ? data[token] : 1.0f; }
};

// Takes mostOf(row tile, half)·(1 − m) off a warp's scores of keys from `firstKey` on, as cuda/attention-warp.cuh has them.
template <unsigned ROW_TILES, unsigned TILES, typename Most>
__device__ __forceinline__ void lessen(float (&s)[ROW_TILES][TILES][4], const TokenMask& mask, unsigned firstKey,
                                       const Most& mostOf) {
  if (firstKey >= mask.tokens) return;
#pragma unroll
  for (unsigned j = 0; j < TILES; j++) {
#pragma unroll
    for (unsigned e = 0; e < 2; e++) {
      const float lost = 1.0f - mask.of(firstKey + 8 * j + threadIdx.x % 4 * 2 + e);
#pragma unroll
      for (unsigned i = 0; i < ROW_TILES; i++) {
        s[i][j][e] -= mostOf(i, 0) * lost;
        s[i][j][2 + e] -= mostOf(i, 1) * lost;
      }
    }
  }
}
