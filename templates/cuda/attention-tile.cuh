#pragma once

#include "cuda/bf16.cuh"
#include "cuda/operand.cuh"

// Tiles of rows of 16-bit elements in shared memory. Rows are 16-byte chunks. Eight rows at the same chunk, what
// ldmatrix reads at a time, have to lie in different banks: chunks are permuted by their row where a row is a multiple
// of 128 bytes, else rows are padded.
template <unsigned COLUMNS>
struct TileShape {
  static constexpr unsigned CHUNKS = COLUMNS / 8;
  static constexpr bool SWIZZLED = CHUNKS % 8 == 0;
  static constexpr unsigned PITCH = SWIZZLED ? COLUMNS : COLUMNS + 8;
  static_assert(COLUMNS % 16 == 0, "whole matrix instructions");

  static __device__ __forceinline__ bf16* at(bf16* tile, unsigned row, unsigned chunk) {
    return tile + row * PITCH + (SWIZZLED ? chunk ^ (row & 7) : chunk) * 8;
  }
};

// One head's columns of an operand.
struct Source {
  const bf16* data;
  unsigned stride;
  unsigned rows;
  bool aligned;

  __device__ __forceinline__ const bf16* row(unsigned m) const { return data + (unsigned long long)m * stride; }
};

__device__ __forceinline__ Source sourceOf(
    const Operand<const bf16>& operand, const unsigned* step, unsigned firstColumn, unsigned rows) {
  return {rowOf(operand, step, 0) + firstColumn, operand.stride, rows, rowsAligned(operand, 16)};
}

__device__ __forceinline__ unsigned pairAt(const bf16* at) { return at[0].bits | (unsigned)at[1].bits << 16; }

// Eight elements of a row; zeros of rows that do not exist.
__device__ __forceinline__ uint4 chunkOf(const Source& from, unsigned row, unsigned chunk) {
  if (row >= from.rows) return make_uint4(0, 0, 0, 0);
  const bf16* at = from.row(row) + chunk * 8;
  if (from.aligned) return *reinterpret_cast<const uint4*>(at);
  return make_uint4(pairAt(at), pairAt(at + 2), pairAt(at + 4), pairAt(at + 6));
}
