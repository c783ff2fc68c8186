#pragma once

#include "cuda/ptx/mma-tf32.cuh"

// A stage of k of a tile's rows and columns, as tf32. The pitches spread what a warp reads at a time over all banks, and keep
// rows aligned to 16 bytes.
template <unsigned ROWS, unsigned COLUMNS, unsigned STAGE>
struct Tf32Stage {
  unsigned x[ROWS][STAGE + 4];
  unsigned weights[STAGE][COLUMNS + 8];
};

__device__ __forceinline__ void storeTf32(unsigned* to, float a, float b, float c, float d) {
  *reinterpret_cast<uint4*>(to) = make_uint4(cvt_tf32(a), cvt_tf32(b), cvt_tf32(c), cvt_tf32(d));
}

// Adds the products of a stage to a warp's sums: 16 rows and 8 columns each, from `row` and `column` of the tile on.
template <unsigned GROUPS_M, unsigned GROUPS_N, unsigned ROWS, unsigned COLUMNS, unsigned STAGE>
__device__ __forceinline__ void multiplyStage(float (&sums)[GROUPS_M][GROUPS_N][4],
                                              const Tf32Stage<ROWS, COLUMNS, STAGE>& stage, unsigned row, unsigned column) {
  const unsigned g = threadIdx.x % 32 / 4;
  const unsigned c = threadIdx.x % 4;
#pragma unroll
  for (unsigned k = 0; k < STAGE; k += 8) {
    unsigned a[GROUPS_M][4];
#pragma unroll
    for (unsigned m = 0; m < GROUPS_M; m++) {
#pragma unroll
      for (unsigned i = 0; i < 4; i++) a[m][i] = stage.x[row + 16 * m + g + i % 2 * 8][k + c + i / 2 * 4];
    }
#pragma unroll
    for (unsigned n = 0; n < GROUPS_N; n++) {
      const unsigned b[2] = {stage.weights[k + c][column + 8 * n + g], stage.weights[k + c + 4][column + 8 * n + g]};
#pragma unroll
      for (unsigned m = 0; m < GROUPS_M; m++) mma_m16n8k8_tf32(sums[m][n], a[m], b);
    }
  }
}
