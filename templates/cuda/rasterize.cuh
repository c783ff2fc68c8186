#pragma once

struct Tile {
  unsigned column;
  unsigned row;
};

// The tile of this block. Blocks run about in the order of their numbers, and those that run together should share what
// they read: they go down `Height` rows of tiles before they move to the next column.
template <unsigned Height>
__device__ __forceinline__ Tile tileOfBlock() {
  const unsigned block = blockIdx.y * gridDim.x + blockIdx.x;
  const unsigned group = Height * gridDim.x;
  const unsigned firstRow = block / group * Height;
  const unsigned height = min(gridDim.y - firstRow, Height);
  return {block % group / height, firstRow + block % group % height};
}
