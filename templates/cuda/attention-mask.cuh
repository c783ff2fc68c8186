#pragma once

// The mask of the first tokens of those that are both queries and keys; 1 of the tokens behind them.
struct TokenMask {
  const float* data;
  unsigned tokens;

  __device__ __forceinline__ float of(unsigned token) const { return token < tokens ? data[token] : 1.0f; }
};

// Takes lossOf(i, half)·mᵢ·(1 − mⱼ) off a warp's scores, as cuda/attention-warp.cuh has them, of queries from `firstRow` on and
// keys from `firstKey` on.
template <unsigned ROW_TILES, unsigned TILES, typename Loss>
__device__ __forceinline__ void lessen(float (&s)[ROW_TILES][TILES][4], const TokenMask& mask, unsigned firstKey,
                                       unsigned firstRow, const Loss& lossOf) {
  float most[ROW_TILES][2];
#pragma unroll
  for (unsigned i = 0; i < ROW_TILES; i++) {
#pragma unroll
    for (unsigned half = 0; half < 2; half++) {
      most[i][half] = lossOf(i, half) * mask.of(firstRow + 16 * i + 8 * half + threadIdx.x % 32 / 4);
    }
  }
#pragma unroll
  for (unsigned j = 0; j < TILES; j++) {
#pragma unroll
    for (unsigned e = 0; e < 2; e++) {
      const float lost = 1.0f - mask.of(firstKey + 8 * j + threadIdx.x % 4 * 2 + e);
#pragma unroll
      for (unsigned i = 0; i < ROW_TILES; i++) {
        s[i][j][e] -= most[i][0] * lost;
        s[i][j][2 + e] -= most[i][1] * lost;
      }
    }
  }
}
