#pragma once

// What a block of a persistent gemm does next: a tile of tokens and channels, or half of its tokens.
struct Work {
  unsigned firstToken;
  unsigned channelTile;
  bool half;
};

// Tiles in the order that blocks take them: all channels of Together tiles of tokens, then of the next ones, so that blocks at work
// at the same time share activations and weights in L2. Where at most half of the blocks have a tile in the last round,
// these are cut in halves of Tokens / 2, and the round takes half the time; tiles of 64 tokens are not cut.
template <unsigned Tokens, unsigned ChannelTiles, unsigned Together = 8>
struct TileOrder {
  unsigned tokenTiles;
  unsigned whole;  // tiles that are not cut
  unsigned count;  // pieces of work

  __device__ __forceinline__ TileOrder(unsigned rows, unsigned blocks) : tokenTiles((rows + Tokens - 1) / Tokens) {
    const unsigned tiles = tokenTiles * ChannelTiles;
    const unsigned rest = tiles % blocks;
    const bool cut = Tokens > 64 && 2 * rest <= blocks;
    whole = cut ? tiles - rest : tiles;
    count = cut ? tiles + rest : tiles;
  }

  __device__ __forceinline__ Work at(unsigned index) const {
    const bool half = index >= whole;
    const unsigned tile = half ? whole + (index - whole) / 2 : index;
    const unsigned first = tile / (Together * ChannelTiles) * Together;
    const unsigned inside = tile % (Together * ChannelTiles);
    const unsigned width = tokenTiles - first < Together ? tokenTiles - first : Together;
    const unsigned token = (first + inside % width) * Tokens + (half ? (index - whole) % 2 * (Tokens / 2) : 0);
    return {token, inside / width, half};
  }
};
