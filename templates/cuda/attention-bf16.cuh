#pragma once

#include "cuda/attention-tile.cuh"
#include "cuda/ptx/bf16x2.cuh"
#include "cuda/ptx/cp-async.cuh"
#include "cuda/ptx/mma.cuh"

// Attention on bf16 matrix instructions (sm_80). Tiles arrive by cp.async.

__device__ __forceinline__ void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  mma_m16n8k16_bf16(d, a, b);
}

// Two neighbours in one word: of a weight, as the multiplication takes it, and of the result, as it is stored.
__device__ __forceinline__ unsigned weightPair(float low, float high) { return cvt_bf16x2(low, high); }
__device__ __forceinline__ unsigned outPair(float low, float high) { return cvt_bf16x2(low, high); }

template <unsigned ROWS, unsigned COLUMNS, unsigned THREADS>
struct TileLoader {
  typedef TileShape<COLUMNS> Shape;

  // Begins to bring ROWS rows from row `first` < from.rows on; rows that do not exist become 0.
  __device__ __forceinline__ void start(bf16* tile, const Source& from, unsigned first) {
    if (from.aligned) {
#pragma unroll
      for (unsigned i = threadIdx.x; i < ROWS * Shape::CHUNKS; i += THREADS) {
        const unsigned row = i / Shape::CHUNKS;
        const unsigned chunk = i % Shape::CHUNKS;
        const bool inside = first + row < from.rows;
        cp_async_16(Shape::at(tile, row, chunk), from.row(inside ? first + row : first) + chunk * 8, inside);
      }
    } else {
#pragma unroll 1
      for (unsigned i = threadIdx.x; i < ROWS * COLUMNS; i += THREADS) {
        const unsigned row = i / COLUMNS;
        const unsigned column = i % COLUMNS;
        Shape::at(tile, row, column / 8)[column % 8] = first + row < from.rows ? from.row(first + row)[column] : bf16{0};
      }
    }
    cp_async_commit();
  }

  // A barrier of the block has to follow.
  __device__ __forceinline__ void finish(bf16*) { cp_async_wait<0>(); }
};
