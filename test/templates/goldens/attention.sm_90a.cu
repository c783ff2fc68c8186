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
#include "cuda/ptx/bf16x2.cuh"
#include "cuda/ptx/exp2.cuh"
#include "cuda/ptx/hopper.cuh"
#include "cuda/ptx/mbarrier.cuh"
#include "cuda/ptx/tma.cuh"
#include "cuda/ptx/wgmma-bf16.cuh"
#include "cuda/swizzled-rows.cuh"

constexpr unsigned HEAD_DIM = 128;
constexpr unsigned COLUMNS = 2 * HEAD_DIM;
constexpr unsigned GROUP = 128;
constexpr unsigned GROUPS = 2;
constexpr unsigned GROUP_ROWS = 64;
constexpr unsigned ROWS = GROUPS * GROUP_ROWS;
constexpr unsigned KEYS = 128;
constexpr unsigned STAGES = 2;
static_assert(384 == (GROUPS + 1) * GROUP, "a producer and the consumers");

// Tiles are two halves of 64 channels, 128 bytes a row.
constexpr unsigned QUERY_HALF = GROUP_ROWS * 128;
constexpr unsigned QUERY_BYTES = 2 * QUERY_HALF;
constexpr unsigned KEY_HALF = KEYS * 128;
constexpr unsigned KEY_BYTES = 2 * KEY_HALF;

// exp(x) = 2^(x · log2(e))
constexpr float SCORE_SCALE = 0.5f * 1.4426950408889634f;
constexpr float LOWEST = -1e30f;
static_assert(SCORE_SCALE > 0.0f, "the largest product is the largest score");

// Whose turn it is to multiply, one barrier inside each of these warpgroups, and the producer's; 0 is __syncthreads().
constexpr unsigned TURN_BARRIER = 1;
constexpr unsigned GROUP_BARRIER = TURN_BARRIER + GROUPS;
constexpr unsigned PRODUCER_BARRIER = GROUP_BARRIER + GROUPS;

struct Barriers {
  unsigned long long queries;
  unsigned long long keys[STAGES];
  unsigned long long values[STAGES];
  unsigned long long keysFree[STAGES];
  unsigned long long valuesFree[STAGES];
};

struct Tiles {
  unsigned char* queries;
  unsigned char* keys;
  unsigned char* values;
};

// Tile i of a ring of stages: where it is, and the parity of the phase in which it arrives.
__device__ __forceinline__ unsigned stageOf(unsigned i) { return i % STAGES; }
__device__ __forceinline__ unsigned parityOf(unsigned i) { return i / STAGES % 2; }

__device__ __forceinline__ float maximumOfRow(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ __forceinline__ float sumOfRow(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

// Starts q · kᵀ of 64 rows and 128 keys.
__device__ __forceinline__ void startScores(float (&s)[64], unsigned long long queries, unsigned long long keys) {
#pragma unroll
  for (unsigned k = 0; k < HEAD_DIM / 16; k++) {
    const unsigned in = k % 4 * (32 >> 4);
    wgmma_m64n128k16_bf16_ss(s, queries + k / 4 * (QUERY_HALF >> 4) + in, keys + k / 4 * (KEY_HALF >> 4) + in, k > 0);
  }
}

// Starts o += weights · v of 64 rows and 128 keys.
__device__ __forceinline__ void startOutput(float (&o)[64], unsigned (&weights)[KEYS / 16][4], unsigned long long values) {
#pragma unroll
  for (unsigned k = 0; k < KEYS / 16; k++) {
    wgmma_m64n128k16_bf16_transposed(o, weights[k], values + k * (16 * 128 >> 4));
  }
}

// Of a thread's two rows.
struct Softmax {
  float peak[2];
  float sum[2];
  // What the output so far has to be multiplied by.
  float shrink[2];

  // Products become weights. Keys from `end` on, counted from the thread's first, do not exist.
  __device__ __forceinline__ void next(float (&s)[64], unsigned end) {
    if (end < KEYS) {
#pragma unroll
      for (unsigned i = 0; i < 64; i++) {
        if (i / 4 * 8 + i % 2 >= end) s[i] = __uint_as_float(0xff800000u);
      }
    }
#pragma unroll
    for (unsigned half = 0; half < 2; half++) {
      float maximum = peak[half];
#pragma unroll
      for (unsigned i = 2 * half; i < 64; i += 8) {
        maximum = fmaxf(maximum, fmaxf(fmaxf(s[i], s[i + 1]), fmaxf(s[i + 4], s[i + 5])));
      }
      maximum = maximumOfRow(maximum);
      shrink[half] = exp2_approx((peak[half] - maximum) * SCORE_SCALE);
      const float offset = maximum * -SCORE_SCALE;
      peak[half] = maximum;
      sum[half] *= shrink[half];
#pragma unroll
      for (unsigned i = 2 * half; i < 64; i += 8) {
        s[i] = exp2_approx(__fmaf_rn(s[i], SCORE_SCALE, offset));
        s[i + 1] = exp2_approx(__fmaf_rn(s[i + 1], SCORE_SCALE, offset));
        s[i + 4] = exp2_approx(__fmaf_rn(s[i + 4], SCORE_SCALE, offset));
        s[i + 5] = exp2_approx(__fmaf_rn(s[i + 5], SCORE_SCALE, offset));
        sum[half] += (s[i] + s[i + 1]) + (s[i + 4] + s[i + 5]);
      }
    }
  }
};

__device__ __forceinline__ void pinAll(unsigned (&weights)[KEYS / 16][4]) {
#pragma unroll
  for (unsigned k = 0; k < KEYS / 16; k++) wgmma_pin(weights[k]);
}

__device__ __forceinline__ void roundWeights(unsigned (&weights)[KEYS / 16][4], const float (&s)[64]) {
#pragma unroll
  for (unsigned i = 0; i < 32; i++) weights[i / 4][i % 4] = cvt_bf16x2(s[2 * i], s[2 * i + 1]);
}

// Where a block is in its operands.
struct Place {
  unsigned column;
  unsigned firstRow;
  unsigned keys;
  // Whether every operand has a tensor map.
  bool mapped;
};

__device__ __forceinline__ Place placeOf(const Arguments& arguments) {
  const AttentionBlock block = attentionBlock();
  const unsigned rows = arguments.rows;
  const unsigned keys = arguments.scalars[0];
  const bool mapped = rowsMapped(arguments.q, rows) && rowsMapped(arguments.k, keys) && rowsMapped(arguments.v, keys) &&
                      rowsMapped(arguments.out, rows);
  return {block.head * HEAD_DIM, block.tile * ROWS, keys, mapped};
}

// Waits until the consumers are done with what was in a stage before. A new barrier is in the phase of parity 0: waiting
// for the other one, in the first round, ends at once.
__device__ __forceinline__ void waitForStage(unsigned long long* free, unsigned i) {
  mbarrier_wait(&free[stageOf(i)], parityOf(i) ^ 1);
}

// One thread has the copy engine bring everything.
__device__ __forceinline__ void produce(const Tiles& tiles, Barriers& barriers, const TensorMap* queryMap,
                                        const TensorMap* keyMap, const TensorMap* valueMap, const Place& place) {
  const auto load = [&](unsigned char* to, const TensorMap* map, unsigned i, unsigned long long* full) {
    mbarrier_expect(&full[stageOf(i)], KEY_BYTES);
    tma_load_2d(to + stageOf(i) * KEY_BYTES, map, place.column, i * KEYS, &full[stageOf(i)]);
    tma_load_2d(to + stageOf(i) * KEY_BYTES + KEY_HALF, map, place.column + 64, i * KEYS, &full[stageOf(i)]);
  };
  tma_prefetch(keyMap);
  tma_prefetch(valueMap);
  mbarrier_expect(&barriers.queries, GROUPS * QUERY_BYTES);
#pragma unroll
  for (unsigned part = 0; part < 2 * GROUPS; part++) {
    tma_load_2d(tiles.queries + part * QUERY_HALF, queryMap, place.column + part % 2 * 64,
                place.firstRow + part / 2 * GROUP_ROWS, &barriers.queries);
  }
#pragma unroll 1
  for (unsigned i = 0; i * KEYS < place.keys; i++) {
    waitForStage(barriers.keysFree, i);
    load(tiles.keys, keyMap, i, barriers.keys);
    waitForStage(barriers.valuesFree, i);
    load(tiles.values, valueMap, i, barriers.values);
  }
}

// The same by the loads of a whole warpgroup.
__device__ __forceinline__ void produceByElements(const Arguments& arguments, const Tiles& tiles, Barriers& barriers,
                                                  const Place& place) {
  const auto copy = [&](unsigned char* to, unsigned half, const Operand<const bf16>& from, unsigned rows, unsigned row) {
    for (unsigned h = 0; h < 2; h++) {
      copySwizzled(to + h * half, from, arguments.step, COLUMNS, rows, place.column + h * 64, row, half / 128,
                   threadIdx.x, GROUP);
    }
  };
  const auto publish = [&](unsigned long long* full) {
    fence_proxy_async();
    named_barrier_sync(PRODUCER_BARRIER, GROUP);
    if (threadIdx.x == 0) mbarrier_arrive(full);
  };
  for (unsigned group = 0; group < GROUPS; group++) {
    const unsigned row = place.firstRow + group * GROUP_ROWS;
    copy(tiles.queries + group * QUERY_BYTES, QUERY_HALF, arguments.q, arguments.rows, row);
  }
  publish(&barriers.queries);
#pragma unroll 1
  for (unsigned i = 0; i * KEYS < place.keys; i++) {
    waitForStage(barriers.keysFree, i);
    copy(tiles.keys + stageOf(i) * KEY_BYTES, KEY_HALF, arguments.k, place.keys, i * KEYS);
    publish(&barriers.keys[stageOf(i)]);
    waitForStage(barriers.valuesFree, i);
    copy(tiles.values + stageOf(i) * KEY_BYTES, KEY_HALF, arguments.v, place.keys, i * KEYS);
    publish(&barriers.values[stageOf(i)]);
  }
}

// Writes a warpgroup's rows from its query tile, without tensor map.
__device__ __forceinline__ void storeByElements(const Arguments& arguments, const unsigned char* tile, unsigned column,
                                                unsigned firstRow) {
#pragma unroll 1
  for (unsigned i = threadIdx.x % GROUP; i < GROUP_ROWS * HEAD_DIM; i += GROUP) {
    const unsigned row = i / HEAD_DIM;
    const unsigned chunk = i % HEAD_DIM / 8;
    if (firstRow + row >= arguments.rows) break;
    const unsigned char* from = tile + chunk / 8 * QUERY_HALF + row * 128 + ((chunk % 8) ^ (row % 8)) * 16;
    bf16* to = rowOf(arguments.out, arguments.step, firstRow + row) + column;
    to[i % HEAD_DIM] = reinterpret_cast<const bf16*>(from)[i % 8];
  }
}

__device__ __forceinline__ void consume(const Arguments& arguments, const Tiles& tiles, Barriers& barriers,
                                        const TensorMap* outMap, const Place& place) {
  const unsigned group = threadIdx.x / GROUP - 1;
  const unsigned lane = threadIdx.x % 32;
  unsigned char* own = tiles.queries + group * QUERY_BYTES;
  const unsigned long long queryTile = wgmma_descriptor_128B(own);
  const unsigned long long keyTile = wgmma_descriptor_128B(tiles.keys);
  const unsigned long long valueTile = wgmma_descriptor_128B_transposed(tiles.values, KEY_HALF);
  const unsigned keys = place.keys;
  const unsigned keyTiles = (keys + KEYS - 1) / KEYS;
  // The thread's first column of a tile of scores.
  const unsigned firstKey = 2 * (lane % 4);

  float s[64];
  float o[64] = {};
  unsigned weights[KEYS / 16][4];
  Softmax softmax;
  for (unsigned half = 0; half < 2; half++) {
    softmax.peak[half] = LOWEST;
    softmax.sum[half] = 0.0f;
  }

  // The first warpgroup begins.
  if (group == 1) named_barrier_arrive(TURN_BARRIER, 2 * GROUP);
  mbarrier_wait(&barriers.queries, 0);

  mbarrier_wait(&barriers.keys[0], 0);
  named_barrier_sync(TURN_BARRIER + group, 2 * GROUP);
  wgmma_fence();
  startScores(s, queryTile, keyTile);
  wgmma_commit();
  if (group == 0 || keyTiles > 1) named_barrier_arrive(TURN_BARRIER + (group ^ 1), 2 * GROUP);
  wgmma_wait<0>();
  wgmma_pin(s);
  if (lane == 0) mbarrier_arrive(&barriers.keysFree[0]);
  softmax.next(s, keys > firstKey ? keys - firstKey : 0);
  roundWeights(weights, s);

#pragma unroll 1
  for (unsigned i = 1; i < keyTiles; i++) {
    const unsigned stage = stageOf(i);
    const unsigned before = stageOf(i - 1);
    mbarrier_wait(&barriers.keys[stage], parityOf(i));
    named_barrier_sync(TURN_BARRIER + group, 2 * GROUP);
    pinAll(weights);
    wgmma_pin(o);
    wgmma_fence();
    startScores(s, queryTile, keyTile + stage * (KEY_BYTES >> 4));
    wgmma_commit();
    mbarrier_wait(&barriers.values[before], parityOf(i - 1));
    wgmma_fence();
    startOutput(o, weights, valueTile + before * (KEY_BYTES >> 4));
    wgmma_commit();
    // Every turn but the last one of all is passed on.
    if (group == 0 || i + 1 < keyTiles) named_barrier_arrive(TURN_BARRIER + (group ^ 1), 2 * GROUP);
    wgmma_wait<1>();
    wgmma_pin(s);
    if (lane == 0) mbarrier_arrive(&barriers.keysFree[stage]);
    const unsigned first = i * KEYS + firstKey;
    softmax.next(s, keys > first ? keys - first : 0);
    wgmma_wait<0>();
    wgmma_pin(o);
    pinAll(weights);
    if (lane == 0) mbarrier_arrive(&barriers.valuesFree[before]);
#pragma unroll
    for (unsigned e = 0; e < 64; e++) o[e] *= softmax.shrink[e / 2 % 2];
    roundWeights(weights, s);
  }

  const unsigned last = stageOf(keyTiles - 1);
  mbarrier_wait(&barriers.values[last], parityOf(keyTiles - 1));
  pinAll(weights);
  wgmma_pin(o);
  wgmma_fence();
  startOutput(o, weights, valueTile + last * (KEY_BYTES >> 4));
  wgmma_commit();
  wgmma_wait<0>();
  wgmma_pin(o);

  // Through the warpgroup's query tile, which nobody reads any more, in the layout that the copy engine expects.
  const float inverse[2] = {1.0f / sumOfRow(softmax.sum[0]), 1.0f / sumOfRow(softmax.sum[1])};
  const unsigned row = threadIdx.x % GROUP / 32 * 16 + lane / 4;
  named_barrier_sync(GROUP_BARRIER + group, GROUP);
#pragma unroll
  for (unsigned i = 0; i < 32; i++) {
    const unsigned half = i % 2;
    const unsigned chunk = i / 2;
    const unsigned at = (row + 8 * half) * 128 + ((chunk % 8) ^ (row % 8)) * 16 + lane % 4 * 4;
    *reinterpret_cast<unsigned*>(own + chunk / 8 * QUERY_HALF + at) =
        cvt_bf16x2(o[2 * i] * inverse[half], o[2 * i + 1] * inverse[half]);
  }
  fence_proxy_async();
  named_barrier_sync(GROUP_BARRIER + group, GROUP);
  const unsigned firstRow = place.firstRow + group * GROUP_ROWS;
  if (!place.mapped) {
    storeByElements(arguments, own, place.column, firstRow);
  } else if (threadIdx.x % GROUP == 0) {
    tma_store_2d(outMap, own, place.column, firstRow);
    tma_store_2d(outMap, own + QUERY_HALF, place.column + 64, firstRow);
    tma_store_commit();
    tma_store_wait<0>();
  }
}

extern "C" __global__ void __launch_bounds__(384, 1)
    attention(const __grid_constant__ Arguments arguments, const __grid_constant__ TensorMap queryMap,
              const __grid_constant__ TensorMap keyMap, const __grid_constant__ TensorMap valueMap,
              const __grid_constant__ TensorMap outMap) {
  extern __shared__ __align__(1024) unsigned char shared[];
  __shared__ Barriers barriers;
  const Place place = placeOf(arguments);
  unsigned char* keyTiles = shared + GROUPS * QUERY_BYTES;
  const Tiles tiles = {shared, keyTiles, keyTiles + STAGES * KEY_BYTES};

  if (threadIdx.x == 0) {
    mbarrier_init(&barriers.queries, 1);
    for (unsigned stage = 0; stage < STAGES; stage++) {
      mbarrier_init(&barriers.keys[stage], 1);
      mbarrier_init(&barriers.values[stage], 1);
      // One arrival of each consuming warp.
      mbarrier_init(&barriers.keysFree[stage], GROUPS * GROUP / 32);
      mbarrier_init(&barriers.valuesFree[stage], GROUPS * GROUP / 32);
    }
    mbarrier_init_fence();
  }
  __syncthreads();

  if (threadIdx.x < GROUP) {
    setmaxnreg_dec<40>();
    if (!place.mapped) {
      produceByElements(arguments, tiles, barriers, place);
    } else if (threadIdx.x == 0) {
      produce(tiles, barriers, &queryMap, &keyMap, &valueMap, place);
    }
  } else {
    setmaxnreg_inc<232>();
    consume(arguments, tiles, barriers, &outMap, place);
  }
}
