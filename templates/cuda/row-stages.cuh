#pragma once
#include "cuda/ptx/cp-async.cuh"

// 128 bytes of each of a tile's rows are one stage of shared memory: chunk c of 16 bytes of row r lies at c ^ (r % 8), so
// that ldmatrix meets no bank twice. Eight threads load a row.

// Where this thread's chunk of its first row lies in a stage.
__device__ __forceinline__ unsigned ownChunk() {
  const unsigned row = threadIdx.x / 8;
  return row * 128 + ((threadIdx.x % 8 ^ row % 8) << 4);
}

// Starts the copies of stage `block`. `from` is this thread's chunk of its first row in block 0, rows are `stride` bytes
// apart; `to` is its place in shared memory. Zeros for rows from `rows` on and chunks from `Chunks` on. Within a tile 32
// bits are enough for offsets; a rolled loop keeps none of them in registers, which are scarce.
template <unsigned Rows, unsigned Threads, unsigned Chunks>
__device__ __forceinline__ void copyStage(unsigned char* to, const unsigned char* from, unsigned stride,
                                          unsigned block, unsigned rows) {
  constexpr unsigned turn = Threads / 8;
  static_assert(turn % 8 == 0 && Rows % turn == 0, "whole turns; the rows of a thread are permuted alike");
  const bool inside = Chunks % 8 == 0 || block * 8 + threadIdx.x % 8 < Chunks;
#pragma unroll 1
  for (unsigned i = 0; i < Rows / turn; i++) {
    const bool present = inside && threadIdx.x / 8 + i * turn < rows;
    const unsigned char* source = from + (i * turn * stride + block * 128);
    cp_async_16(to + i * turn * 128, present ? source : from, present);
  }
}
