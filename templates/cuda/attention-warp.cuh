#pragma once

#include "cuda/attention-tile.cuh"
#include "cuda/ptx/exp2.cuh"
#include "cuda/ptx/ldmatrix.cuh"

// What a warp does with its 16·ROW_TILES rows in attention. `multiply`, `weightPair` and `outPair` are those of
// cuda/attention-bf16.cuh or cuda/attention-f16.cuh, whichever was included before.
//
// Scores s, weights and output o are fragments: a lane has columns 2·(lane % 4) and the next of every 8-column tile, in
// rows lane / 4 and lane / 4 + 8 of every row tile.

// What a lane passes to ldmatrix for a left operand, 16 rows of 2 chunks, and for values, transposed: rows 0-15 of a
// chunk, then of the next. For keys: 8 keys of a chunk, of the next chunk, then the same of the next 8 keys.
struct LanePlace {
  unsigned leftRow, leftChunk;
  unsigned keyRow, keyChunk;
};
__device__ __forceinline__ LanePlace lanePlace() {
  const unsigned lane = threadIdx.x % 32;
  return {lane % 16, lane / 16, lane % 8 + lane / 16 * 8, lane / 8 % 2};
}

// Scores of keys from `end` on, counted from the tile's first, become -inf.
template <unsigned ROW_TILES, unsigned TILES>
__device__ __forceinline__ void maskKeys(float (&s)[ROW_TILES][TILES][4], unsigned end) {
  if (end >= 8 * TILES) return;
#pragma unroll
  for (unsigned j = 0; j < TILES; j++) {
#pragma unroll
    for (unsigned e = 0; e < 2; e++) {
      if (8 * j + threadIdx.x % 4 * 2 + e < end) continue;
#pragma unroll
      for (unsigned i = 0; i < ROW_TILES; i++) s[i][j][e] = s[i][j][2 + e] = __uint_as_float(0xff800000u);
    }
  }
}

// The running maximum of each row, and the lane's part of the sum of its weights.
template <unsigned ROW_TILES>
struct WarpSoftmax {
  float peak[ROW_TILES][2];
  float sum[ROW_TILES][2];

  __device__ __forceinline__ WarpSoftmax() {
#pragma unroll
    for (unsigned i = 0; i < ROW_TILES; i++) {
      // Finite, so that no difference of two of them is a NaN.
      peak[i][0] = peak[i][1] = -1e30f;
      sum[i][0] = sum[i][1] = 0.0f;
    }
  }

  // Scores become weights 2^(scale·(s − maximum)); the output so far shrinks where the maximum grew.
  template <unsigned TILES, unsigned CHANNEL_TILES, typename Scale>
  __device__ __forceinline__ void next(float (&s)[ROW_TILES][TILES][4], float (&o)[ROW_TILES][CHANNEL_TILES][4],
                                       const Scale& scaleOf) {
#pragma unroll
    for (unsigned i = 0; i < ROW_TILES; i++) {
#pragma unroll
      for (unsigned half = 0; half < 2; half++) {
        const float scale = scaleOf(i, half);
        float maximum = peak[i][half];
#pragma unroll
        for (unsigned j = 0; j < TILES; j++) maximum = fmaxf(maximum, fmaxf(s[i][j][2 * half], s[i][j][2 * half + 1]));
        maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffffu, maximum, 1));
        maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffffu, maximum, 2));
        const float shrink = exp2_approx((peak[i][half] - maximum) * scale);
        const float offset = -maximum * scale;
        peak[i][half] = maximum;
        sum[i][half] *= shrink;
#pragma unroll
        for (unsigned j = 0; j < TILES; j++) {
#pragma unroll
          for (unsigned e = 2 * half; e < 2 * half + 2; e++) {
            s[i][j][e] = exp2_approx(__fmaf_rn(s[i][j][e], scale, offset));
            sum[i][half] += s[i][j][e];
          }
        }
#pragma unroll
        for (unsigned c = 0; c < CHANNEL_TILES; c++) {
          o[i][c][2 * half] *= shrink;
          o[i][c][2 * half + 1] *= shrink;
        }
      }
    }
  }

  // 1 / the sum of a row's weights.
  __device__ __forceinline__ float inverse(unsigned i, unsigned half) const {
    float total = sum[i][half];
    total += __shfl_xor_sync(0xffffffffu, total, 1);
    total += __shfl_xor_sync(0xffffffffu, total, 2);
    return 1.0f / total;
  }
};

// o += weights · v
template <typename Shape, unsigned ROW_TILES, unsigned TILES, unsigned CHANNEL_TILES>
__device__ __forceinline__ void addValues(float (&o)[ROW_TILES][CHANNEL_TILES][4],
                                          const float (&weights)[ROW_TILES][TILES][4], bf16* valueTile,
                                          const LanePlace& at) {
#pragma unroll
  for (unsigned j = 0; j < TILES / 2; j++) {
    unsigned left[ROW_TILES][4];
#pragma unroll
    for (unsigned i = 0; i < ROW_TILES; i++) {
#pragma unroll
      for (unsigned r = 0; r < 4; r++) {
        const float(&pair)[4] = weights[i][2 * j + r / 2];
        left[i][r] = weightPair(pair[r % 2 * 2], pair[r % 2 * 2 + 1]);
      }
    }
#pragma unroll
    for (unsigned c = 0; c < CHANNEL_TILES / 2; c++) {
      unsigned value[4];
      ldmatrix_x4_trans(value, Shape::at(valueTile, 16 * j + at.leftRow, 2 * c + at.leftChunk));
      const unsigned low[2] = {value[0], value[1]}, high[2] = {value[2], value[3]};
#pragma unroll
      for (unsigned i = 0; i < ROW_TILES; i++) {
        multiply(o[i][2 * c], left[i], low);
        multiply(o[i][2 * c + 1], left[i], high);
      }
    }
  }
}

// Divides the output by the sums and stores it, through the warp's own rows of a tile in shared memory so that rows are
// written 16 bytes at a time. `row`: the warp's first row in the tile, which starts at row `firstRow` of the operand.
template <typename Shape, unsigned ROW_TILES, unsigned CHANNEL_TILES>
__device__ __forceinline__ void storeOutput(const Operand<bf16>& out, const unsigned* step, unsigned column, unsigned rows,
                                            bf16* tile, unsigned firstRow, unsigned row,
                                            const float (&o)[ROW_TILES][CHANNEL_TILES][4],
                                            const WarpSoftmax<ROW_TILES>& softmax) {
  const unsigned lane = threadIdx.x % 32;
#pragma unroll
  for (unsigned i = 0; i < ROW_TILES; i++) {
#pragma unroll
    for (unsigned half = 0; half < 2; half++) {
      const float inverse = softmax.inverse(i, half);
#pragma unroll
      for (unsigned c = 0; c < CHANNEL_TILES; c++) {
        unsigned* to = reinterpret_cast<unsigned*>(Shape::at(tile, row + 16 * i + 8 * half + lane / 4, c)) + lane % 4;
        *to = outPair(o[i][c][2 * half] * inverse, o[i][c][2 * half + 1] * inverse);
      }
    }
  }
  __syncwarp();
  const bool aligned = rowsAligned(out, 16);
#pragma unroll 4
  for (unsigned i = lane; i < 16 * ROW_TILES * CHANNEL_TILES; i += 32) {
    const unsigned m = row + i / CHANNEL_TILES;
    const unsigned chunk = i % CHANNEL_TILES;
    if (firstRow + m >= rows) break;
    bf16* to = rowOf(out, step, firstRow + m) + column + chunk * 8;
    const bf16* from = Shape::at(tile, m, chunk);
    if (aligned) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
    } else {
#pragma unroll
      for (unsigned e = 0; e < 8; e++) to[e] = from[e];
    }
  }
}
