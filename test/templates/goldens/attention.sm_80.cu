#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const bf16> q;
  Operand<const bf16> k;
  Operand<const bf16> v;
  Operand<bf16> out;
  unsigned scalars[1];
};
static_assert(sizeof(Arguments) == 88, "Arguments is laid out as the runtime fills it");
#include "cuda/attention-block.cuh"
#include "cuda/attention-bf16.cuh"
#include "cuda/attention-warp.cuh"

constexpr unsigned THREADS = 128;
constexpr unsigned HEAD_DIM = 128;
constexpr unsigned ROW_TILES = 2;
constexpr unsigned WARP_ROWS = 16 * ROW_TILES;
constexpr unsigned ROWS = THREADS / 32 * WARP_ROWS;
constexpr unsigned KEYS = 64;
// exp(x) = 2^(x · log2(e))
constexpr float SCORE_SCALE = 0.5f * 1.4426950408889634f;
static_assert(SCORE_SCALE > 0.0f, "the largest product is the largest score");
static_assert(KEYS % 16 == 0, "whole matrix instructions");

typedef TileShape<HEAD_DIM> Shape;

extern "C" __global__ void __launch_bounds__(128) attention(const __grid_constant__ Arguments arguments) {
  extern __shared__ __align__(1024) unsigned char shared[];
  bf16* queryTile = reinterpret_cast<bf16*>(shared);
  bf16* keyTile = queryTile + ROWS * Shape::PITCH;
  bf16* valueTile = keyTile + KEYS * Shape::PITCH;

  const unsigned warpRow = threadIdx.x / 32 * WARP_ROWS;
  const AttentionBlock block = attentionBlock();
  const unsigned firstRow = block.tile * ROWS;
  const unsigned keys = arguments.scalars[0];
  const Source queries = sourceOf(arguments.q, arguments.step, block.head * HEAD_DIM, arguments.rows);
  const Source keyRows = sourceOf(arguments.k, arguments.step, block.head * HEAD_DIM, keys);
  const Source values = sourceOf(arguments.v, arguments.step, block.head * HEAD_DIM, keys);

  const LanePlace at = lanePlace();
  float o[ROW_TILES][HEAD_DIM / 8][4] = {};
  WarpSoftmax<ROW_TILES> softmax;

  TileLoader<KEYS, HEAD_DIM, THREADS> loadKeys;
  TileLoader<KEYS, HEAD_DIM, THREADS> loadValues;
  {
    TileLoader<ROWS, HEAD_DIM, THREADS> loadQueries;
    loadQueries.start(queryTile, queries, firstRow);
    loadKeys.start(keyTile, keyRows, 0);
    loadQueries.finish(queryTile);
  }

  for (unsigned firstKey = 0; firstKey < keys; firstKey += KEYS) {
    loadKeys.finish(keyTile);
    __syncthreads();
    loadValues.start(valueTile, values, firstKey);

    float s[ROW_TILES][KEYS / 8][4] = {};
#pragma unroll
    for (unsigned k = 0; k < HEAD_DIM / 16; k++) {
      unsigned query[ROW_TILES][4];
#pragma unroll
      for (unsigned i = 0; i < ROW_TILES; i++) {
        ldmatrix_x4(query[i], Shape::at(queryTile, warpRow + 16 * i + at.leftRow, 2 * k + at.leftChunk));
      }
#pragma unroll
      for (unsigned j = 0; j < KEYS / 16; j++) {
        unsigned key[4];
        ldmatrix_x4(key, Shape::at(keyTile, 16 * j + at.keyRow, 2 * k + at.keyChunk));
        const unsigned low[2] = {key[0], key[1]}, high[2] = {key[2], key[3]};
#pragma unroll
        for (unsigned i = 0; i < ROW_TILES; i++) {
          multiply(s[i][2 * j], query[i], low);
          multiply(s[i][2 * j + 1], query[i], high);
        }
      }
    }
    maskKeys(s, keys - firstKey);

    loadValues.finish(valueTile);
    __syncthreads();
    if (firstKey + KEYS < keys) loadKeys.start(keyTile, keyRows, firstKey + KEYS);

    softmax.next(s, o, [](unsigned, unsigned) { return SCORE_SCALE; });
    addValues<Shape>(o, s, valueTile, at);
  }
  // Nobody but the warp itself reads its rows of the query tile.
  storeOutput<Shape>(arguments.out, arguments.step, block.head * HEAD_DIM, arguments.rows, queryTile, firstRow, warpRow, o,
                     softmax);
}
