#pragma once

struct Tile {
  unsigned token;
  unsigned channel;
};

// Tiles of a persistent gemm in the order that blocks take them: all channels of 8 tiles of tokens, then of the next 8, so
// that blocks at work at the same time share activations and weights in L2.
__device__ __forceinline__ Tile tileAt(unsigned index, unsigned tokenTiles, unsigned channelTiles) {
  constexpr unsigned together = 8;
  const unsigned first = index / (together * channelTiles) * together;
  const unsigned inside = index % (together * channelTiles);
  const unsigned tokens = tokenTiles - first < together ? tokenTiles - first : together;
  return {first + inside % tokens, inside / tokens};
}
