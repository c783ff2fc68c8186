#pragma once

// What a block of an attention kernel computes: a tile of rows of one head.
struct AttentionBlock {
  unsigned head;
  unsigned tile;
};

// The grid is heads x tiles. Blocks start along x first; counted along y instead, those that run at the same time
// belong to few heads, and the L2 cache holds the keys and values of these.
__device__ __forceinline__ AttentionBlock attentionBlock() {
  const unsigned index = blockIdx.y * gridDim.x + blockIdx.x;
  return {index / gridDim.y, index % gridDim.y};
}
