#pragma once

#include "cuda/attention-tile.cuh"
#include "cuda/ptx/f16.cuh"
#include "cuda/ptx/mma-turing.cuh"

// Attention on f16 matrix instructions (sm_75). Tiles arrive in registers and are converted on their way to shared memory:
// exactly from 2^-17 to 65504, what is larger becomes 65504, what is smaller is rounded to a multiple of 2^-24.

// 16 of k as two times 8.
__device__ __forceinline__ void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  const unsigned low[2] = {a[0], a[1]}, high[2] = {a[2], a[3]};
  mma_m16n8k8_f16(d, low, b[0]);
  mma_m16n8k8_f16(d, high, b[1]);
}

// Two neighbours in one word: of a weight, as the multiplication takes it, and of the result, as it is stored.
__device__ __forceinline__ unsigned weightPair(float low, float high) { return cvt_f16x2(low, high); }
__device__ __forceinline__ unsigned outPair(float low, float high) { return packBf16(low, high); }

__device__ __forceinline__ unsigned halvesOf(unsigned pair) {
  const float limit = 65504.0f;
  return cvt_f16x2(fminf(fmaxf(lowFloat(pair), -limit), limit), fminf(fmaxf(highFloat(pair), -limit), limit));
}

template <unsigned ROWS, unsigned COLUMNS, unsigned THREADS>
struct TileLoader {
  typedef TileShape<COLUMNS> Shape;
  static constexpr unsigned COUNT = ROWS * Shape::CHUNKS;
  static constexpr unsigned PER_THREAD = (COUNT + THREADS - 1) / THREADS;
  uint4 chunks[PER_THREAD];

  // Begins to bring ROWS rows from row `first` < from.rows on; rows that do not exist become 0.
  __device__ __forceinline__ void start(bf16*, const Source& from, unsigned first) {
#pragma unroll
    for (unsigned n = 0; n < PER_THREAD; n++) {
      const unsigned i = n * THREADS + threadIdx.x;
      if (i < COUNT) chunks[n] = chunkOf(from, first + i / Shape::CHUNKS, i % Shape::CHUNKS);
    }
  }

  // A barrier of the block has to follow.
  __device__ __forceinline__ void finish(bf16* tile) {
#pragma unroll
    for (unsigned n = 0; n < PER_THREAD; n++) {
      const unsigned i = n * THREADS + threadIdx.x;
      if (i >= COUNT) continue;
      const uint4 x = chunks[n];
      *reinterpret_cast<uint4*>(Shape::at(tile, i / Shape::CHUNKS, i % Shape::CHUNKS)) =
          make_uint4(halvesOf(x.x), halvesOf(x.y), halvesOf(x.z), halvesOf(x.w));
    }
  }
};
