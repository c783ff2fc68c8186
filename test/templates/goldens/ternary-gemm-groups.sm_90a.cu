#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const signed char> q;
  Operand<const float> rowScale;
  Operand<const unsigned> weights;
  Operand<const float> scales;
  Operand<const float> bias;
  Operand<float> out;
};
static_assert(sizeof(Arguments) == 112, "Arguments is laid out as the runtime fills it");
#include "cuda/ptx/tma.cuh"
#include "cuda/ptx/wgmma-groups.cuh"
#include "cuda/ternary-groups.cuh"

using Sum = float;
constexpr unsigned TOKENS = 128;
constexpr unsigned X_BYTES = TOKENS * 128;

// Activations of a stage: boxes of 64 tokens by 128 k. Quantized rows always have a tensor map.
__device__ __forceinline__ void loadX(const TensorMap& map, unsigned char* x, unsigned firstToken, unsigned block,
                                      unsigned boxes, unsigned long long* full) {
  for (unsigned i = 0; i < boxes; i++) tma_load_2d(x + i * 64 * 128, &map, block * 128, firstToken + i * 64, full);
}

__device__ __forceinline__ void readCodes(uint4 (&codes)[2], const unsigned char* words) {
  codes[0] = *reinterpret_cast<const uint4*>(words);
  codes[1] = *reinterpret_cast<const uint4*>(words + 2048);
}

using Product = int;
constexpr unsigned STAGE_STEPS = 4;
// Fragments that are unpacked ahead: with longer groups there are registers for two.
constexpr unsigned FRAGMENTS = 4;

__device__ __forceinline__ void unpackStep(unsigned (&a)[4], const uint4& codes, unsigned step) {
  unpackWeights(a, wordOf(codes, step));
}
__device__ __forceinline__ unsigned long long stepOf(const unsigned char* x, unsigned step) {
  return wgmma_descriptor_128B(x) + 2 * step;
}

template <bool Accumulate>
__device__ __forceinline__ void multiply(int (&d)[64], const unsigned (&a)[4], unsigned long long b) {
  wgmma_m64n128k32_s8s8<Accumulate>(d, a, b);
}
template <bool Accumulate>
__device__ __forceinline__ void multiply(int (&d)[32], const unsigned (&a)[4], unsigned long long b) {
  wgmma_m64n64k32_s8s8<Accumulate>(d, a, b);
}

__device__ __forceinline__ float scaleOfSums(float scale) { return scaleOfWeights(scale); }
__device__ __forceinline__ void promote(float& y, int sum, float scale) { y = __fadd_rn(y, __fmul_rn((float)sum, scale)); }

#include "cuda/ptx/hopper.cuh"
#include "cuda/ptx/mbarrier.cuh"
#include "cuda/ptx/tma.cuh"
#include "cuda/tile-order.cuh"

constexpr unsigned N = 96;
constexpr unsigned K_BLOCKS = 1;
constexpr unsigned STAGES = 5;
constexpr unsigned CONSUMERS = 2;
constexpr unsigned GROUP_CHANNELS = 128;
constexpr unsigned CHANNELS = CONSUMERS * GROUP_CHANNELS;
constexpr unsigned CHANNEL_TILES = (N + CHANNELS - 1) / CHANNELS;
constexpr unsigned WEIGHT_PANELS = (N + 63) / 64;
constexpr unsigned PANEL_BYTES = 2048;  // 64 channels by 128 k
constexpr unsigned WEIGHT_BYTES = CHANNELS / 64 * PANEL_BYTES;
constexpr unsigned GROUP = 32;
constexpr unsigned GROUPS = 3;
// Scales of a stage: 64 channels' for each of its groups, panel after panel.
constexpr unsigned STAGE_GROUPS = GROUP < 128 ? 128 / GROUP : 1;
constexpr unsigned SCALE_BYTES = STAGE_GROUPS * 64 * sizeof(float);
constexpr unsigned SCALES_AT = X_BYTES + WEIGHT_BYTES;
constexpr unsigned STAGE_BYTES = SCALES_AT + CHANNELS / 64 * SCALE_BYTES;
static_assert(STAGE_BYTES % 1024 == 0, "swizzled tiles are aligned to 1024 bytes");
constexpr unsigned LAG = STAGES / 2 < K_BLOCKS - 1 ? STAGES / 2 : K_BLOCKS - 1;  // stages, of the second consumer
static_assert(LAG < STAGES, "the first consumer gets as far on its own");
static_assert(384 == (CONSUMERS + 1) * 128, "two consumer warpgroups and a producer");

#include "cuda/activation.cuh"
#include "cuda/ptx/bf16x2.cuh"

using Out = float;

constexpr unsigned STAGED_TOKENS = 64;
// A row of staged sums: lanes that hold 8 channels of 4 pairs of tokens store to different banks.
constexpr unsigned PITCH = GROUP_CHANNELS + 4;
static_assert(PITCH % 32 == 4, "pairs of rows are 8 banks apart");
// A row of staged results. Rows of bf16 begin 16 bytes further in the banks each, as stmatrix likes them.
constexpr unsigned OUT_PITCH = GROUP_CHANNELS + 16 / sizeof(Out);
constexpr unsigned OUT_BYTES = STAGED_TOKENS * OUT_PITCH * sizeof(Out);
constexpr unsigned STAGING_BYTES = 34816;
static_assert(STAGED_TOKENS * PITCH * sizeof(Sum) <= STAGING_BYTES, "staging holds the sums");
// Parts of a tile's results that are staged side by side.
constexpr unsigned OUT_PARTS = 4 / sizeof(Out);
static_assert(OUT_PARTS * OUT_BYTES <= STAGING_BYTES, "staging holds the results");

struct ChannelFactors {
  float bias;
};

struct TokenFactors {
  float rowScale;
};

// Of a consumer's tile, in shared memory.
struct Factors {
  ChannelFactors channels[GROUP_CHANNELS];
  TokenFactors tokens[TOKENS];
};

// activate(product + bias)
__device__ __forceinline__ float finish(Sum sum, const ChannelFactors& channel, const TokenFactors& token) {
  const float product = sum * token.rowScale;
  return activate_gelu_tanh(product + channel.bias);
}

// A vector of four words.
template <typename T>
struct alignas(16) Four {
  T of[4];
};

__device__ __forceinline__ void storeFour(float* to, const float (&y)[4]) {
  *reinterpret_cast<Four<float>*>(to) = {y[0], y[1], y[2], y[3]};
}
__device__ __forceinline__ void storeFour(bf16* to, const float (&y)[4]) {
  *reinterpret_cast<uint2*>(to) = make_uint2(cvt_bf16x2(y[0], y[1]), cvt_bf16x2(y[2], y[3]));
}

// Four consecutive elements, those from the count-th on as 0.
__device__ __forceinline__ void loadFour(float (&v)[4], const float* from, bool aligned, unsigned count) {
  if (aligned && count >= 4) {
    const Four<float> four = *reinterpret_cast<const Four<float>*>(from);
#pragma unroll
    for (unsigned i = 0; i < 4; i++) v[i] = four.of[i];
  } else {
#pragma unroll
    for (unsigned i = 0; i < 4; i++) v[i] = i < count ? from[i] : 0.0f;
  }
}

template <unsigned Tokens>
struct Epilogue {
  unsigned consumer, thread, warp, lane;
  unsigned firstChannel, firstToken;
  unsigned tokens;  // inside, of the tile
  // Of channel and token number `thread`: loaded when a tile begins, used when it ends.
  ChannelFactors channelFactors;
  TokenFactors tokenFactors;

  __device__ __forceinline__ Epilogue(const Arguments& arguments, unsigned consumer, unsigned thread, unsigned firstChannel,
                                      unsigned firstToken)
      : consumer(consumer), thread(thread), warp(thread / 32), lane(thread % 32), firstChannel(firstChannel),
        firstToken(firstToken) {
    static_assert(GROUP_CHANNELS == 128 && TOKENS == 128, "a channel and a token for each thread");
    tokens = arguments.rows - firstToken < Tokens ? arguments.rows - firstToken : Tokens;
    const unsigned channel = firstChannel + thread;
    channelFactors.bias = channel < N ? rowOf(arguments.bias, arguments.step, 0)[channel] : 0.0f;
    const unsigned row = firstToken + (thread < tokens ? thread : 0);
    tokenFactors.rowScale = *rowOf(arguments.rowScale, arguments.step, row);
  }

  __device__ __forceinline__ void barrier() const { named_barrier_sync(1 + consumer, 128); }

  __device__ __forceinline__ void store(const Arguments& arguments, const Sum (&sums)[2][Tokens / 2], unsigned char* staging,
                                        Factors& factors) const {
    if (firstChannel >= N) return;
    // Nobody reads the last tile's factors or staged rows any more, nor do copies under way.
    tma_store_wait_read<0>();
    barrier();
    factors.channels[thread] = channelFactors;
    factors.tokens[thread] = tokenFactors;
    barrier();
    const unsigned bytes = (N - firstChannel < GROUP_CHANNELS ? N - firstChannel : GROUP_CHANNELS) * sizeof(Out);
    if (bytes % 16 == 0 && rowsAligned(arguments.out, 16)) {
      copyRows(arguments, sums, staging, factors, bytes);
      return;
    }
    Sum* staged = reinterpret_cast<Sum*>(staging);
#pragma unroll
    for (unsigned part = 0; part < Tokens / STAGED_TOKENS; part++) {
      if (part != 0) barrier();
#pragma unroll
      for (unsigned i = 0; i < STAGED_TOKENS / 8; i++) {
#pragma unroll
        for (unsigned half = 0; half < 2; half++) {
          const Sum* d = sums[half] + 4 * (part * STAGED_TOKENS / 8 + i);
          Sum* at = staged + (8 * i + 2 * (lane % 4)) * PITCH + 64 * half + 16 * warp + lane / 4;
          at[0] = d[0];
          at[PITCH] = d[1];
          at[8] = d[2];
          at[PITCH + 8] = d[3];
        }
      }
      barrier();
      finishRows(arguments, staged, factors, part * STAGED_TOKENS);
    }
  }

  // Finishes the sums where they are and has a bulk copy store each row.
  __device__ __forceinline__ void copyRows(const Arguments& arguments, const Sum (&sums)[2][Tokens / 2],
                                           unsigned char* staging, const Factors& factors, unsigned bytes) const {
    // Of fragments' rows: half h, lower or upper 8.
    ChannelFactors channels[2][2];
#pragma unroll
    for (unsigned i = 0; i < 4; i++) {
      channels[i / 2][i % 2] = factors.channels[i / 2 * 64 + 16 * warp + i % 2 * 8 + lane / 4];
    }
#pragma unroll
    for (unsigned part = 0; part < Tokens / STAGED_TOKENS; part++) {
      if (part >= OUT_PARTS) {
        tma_store_wait_read<0>();
        barrier();
      }
      Out* staged = reinterpret_cast<Out*>(staging + part % OUT_PARTS * OUT_BYTES);
#pragma unroll
      for (unsigned i = 0; i < STAGED_TOKENS / 8; i += 2) {
        const unsigned group = part * STAGED_TOKENS / 8 + i;
        TokenFactors columns[2][2];
#pragma unroll
        for (unsigned j = 0; j < 4; j++) columns[j / 2][j % 2] = factors.tokens[8 * (group + j / 2) + 2 * (lane % 4) + j % 2];
#pragma unroll
        for (unsigned half = 0; half < 2; half++) {
          float y[2][4];
#pragma unroll
          for (unsigned j = 0; j < 8; j++) {
            y[j / 4][j % 4] = finish(sums[half][4 * group + j], channels[half][j / 2 % 2], columns[j / 4][j % 2]);
          }
          stage(staged, i, 64 * half + 16 * warp, y);
        }
      }
      fence_proxy_async();
      barrier();
      const unsigned token = part * STAGED_TOKENS + thread;
      if (thread < STAGED_TOKENS && token < tokens) {
        bulk_store(rowOf(arguments.out, arguments.step, firstToken + token) + firstChannel, staged + thread * OUT_PITCH, bytes);
      }
      tma_store_commit();
    }
  }

  // 16 channels by 2 fragments of 8 tokens, from the i-th 8 staged ones on.
  __device__ __forceinline__ void stage(float* staged, unsigned i, unsigned channel, const float (&y)[2][4]) const {
#pragma unroll
    for (unsigned j = 0; j < 2; j++) {
      float* at = staged + (8 * (i + j) + 2 * (lane % 4)) * OUT_PITCH + channel + lane / 4;
      at[0] = y[j][0];
      at[OUT_PITCH] = y[j][1];
      at[8] = y[j][2];
      at[OUT_PITCH + 8] = y[j][3];
    }
  }
  __device__ __forceinline__ void stage(bf16* staged, unsigned i, unsigned channel, const float (&y)[2][4]) const {
    const unsigned pairs[4] = {cvt_bf16x2(y[0][0], y[0][1]), cvt_bf16x2(y[0][2], y[0][3]), cvt_bf16x2(y[1][0], y[1][1]),
                               cvt_bf16x2(y[1][2], y[1][3])};
    // Matrices: 8 channels and the next 8 of 8 tokens, then of the next 8 tokens.
    stmatrix_x4_trans(staged + (8 * (i + lane / 16) + lane % 8) * OUT_PITCH + channel + lane / 8 % 2 * 8, pairs);
  }

  // How many of four channels are inside.
  __device__ __forceinline__ static unsigned channelsFrom(unsigned channel) {
    return channel >= N ? 0 : N - channel < 4 ? N - channel : 4;
  }

  // Of tokens [first, first + STAGED_TOKENS) of the tile, every fourth one.
  __device__ __forceinline__ void finishRows(const Arguments& arguments, const Sum* staged, const Factors& factors,
                                             unsigned first) const {
    const unsigned channel = firstChannel + 4 * lane;
    const unsigned count = channelsFrom(channel);
    ChannelFactors channels[4];
#pragma unroll
    for (unsigned j = 0; j < 4; j++) channels[j] = factors.channels[4 * lane + j];
    const bool outAligned = rowsAligned(arguments.out, 4 * sizeof(Out));
#pragma unroll 4
    for (unsigned i = 0; i < STAGED_TOKENS / 4; i++) {
      const unsigned row = warp + 4 * i;
      const unsigned token = first + row;
      if (token >= tokens) break;
      const Four<Sum> sum = *reinterpret_cast<const Four<Sum>*>(staged + row * PITCH + 4 * lane);
      const TokenFactors columnFactors = factors.tokens[token];
      float y[4];
#pragma unroll
      for (unsigned j = 0; j < 4; j++) y[j] = finish(sum.of[j], channels[j], columnFactors);
      Out* to = rowOf(arguments.out, arguments.step, firstToken + token) + channel;
      if (outAligned && count == 4) {
        storeFour(to, y);
      } else {
#pragma unroll
        for (unsigned j = 0; j < 4; j++) {
          if (j < count) storeFloat(to + j, y[j]);
        }
      }
    }
  }
};

// Named barriers: 0 is __syncthreads(), 1 and 2 belong to the consumers.
constexpr unsigned LAG_BARRIER = 1 + CONSUMERS;

struct Barriers {
  unsigned long long full[STAGES];
  unsigned long long empty[STAGES];
};

// A position in the ring: the stage, and the parity of the phase that its barriers are in.
struct Position {
  unsigned stage = 0;
  unsigned parity = 0;
  __device__ __forceinline__ void advance() {
    stage++;
    if (stage == STAGES) {
      stage = 0;
      parity ^= 1;
    }
  }
};

constexpr unsigned STAGING_AT = STAGES * STAGE_BYTES;
constexpr unsigned FACTORS_AT = STAGING_AT + CONSUMERS * STAGING_BYTES;
constexpr unsigned BARRIERS_AT = FACTORS_AT + CONSUMERS * sizeof(Factors);
static_assert(BARRIERS_AT + sizeof(Barriers) <= 217168, "shared memory holds all parts");

using Order = TileOrder<TOKENS, CHANNEL_TILES>;

__device__ __forceinline__ void produce(const Arguments& arguments, const TensorMap& xMap, unsigned char* stages,
                                        Barriers& barriers, unsigned thread) {
  constexpr bool mapped = true;
  if (mapped && thread != 0) return;
  const unsigned char* weights = reinterpret_cast<const unsigned char*>(arguments.weights.data);
  const Order order(arguments.rows, gridDim.x);
  Position at;
#pragma unroll 1
  for (unsigned index = blockIdx.x; index < order.count; index += gridDim.x) {
    const Work work = order.at(index);
    if (work.firstToken >= arguments.rows) continue;
    const unsigned boxes = work.half ? 1 : 2;
    const unsigned firstPanel = work.channelTile * (CHANNELS / 64);
    const unsigned panels = WEIGHT_PANELS - firstPanel < CHANNELS / 64 ? WEIGHT_PANELS - firstPanel : CHANNELS / 64;
#pragma unroll 1
    for (unsigned block = 0; block < K_BLOCKS; block++) {
      unsigned char* x = stages + at.stage * STAGE_BYTES;
      unsigned long long* full = barriers.full + at.stage;
      mbarrier_wait(barriers.empty + at.stage, at.parity ^ 1);
      if (thread == 0) {
        const unsigned firstGroup = block * 128 / GROUP;
        const unsigned scaleBytes = (GROUPS - firstGroup < STAGE_GROUPS ? GROUPS - firstGroup : STAGE_GROUPS) * 64 * sizeof(float);
        mbarrier_expect(full, (mapped ? boxes * (X_BYTES / 2) : 0) + panels * (PANEL_BYTES + scaleBytes));
        if (mapped) loadX(xMap, x, work.firstToken, block, boxes, full);
        for (unsigned panel = 0; panel < panels; panel++) {
          const unsigned long long from = (unsigned long long)(firstPanel + panel) * K_BLOCKS + block;
          bulk_load(x + X_BYTES + panel * PANEL_BYTES, weights + from * PANEL_BYTES, PANEL_BYTES, full);
          const unsigned long long row = (unsigned long long)(firstPanel + panel) * GROUPS + firstGroup;
          bulk_load(x + SCALES_AT + panel * SCALE_BYTES, arguments.scales.data + row * 64, scaleBytes, full);
        }
      }
      at.advance();
    }
  }
}

// Stages that a group extends over.
constexpr unsigned GROUP_STAGES = GROUP > 128 ? GROUP / 128 : 1;
constexpr unsigned GROUP_STEPS = STAGE_STEPS * GROUP / 128;

// All groups of the next stages, `firstGroup` and those after it. `offset`: of this thread's words in a stage.
template <unsigned Tokens, unsigned Stages>
__device__ __forceinline__ void consumeStages(Sum (&results)[2][Tokens / 2], const unsigned char* shared, Barriers& barriers,
                                              Position& at, unsigned rows, unsigned firstGroup, unsigned consumer,
                                              unsigned thread, bool letFollow) {
  constexpr unsigned steps = STAGE_STEPS * Stages < GROUP_STEPS ? STAGE_STEPS * Stages : GROUP_STEPS;
  unsigned used[Stages];
  const unsigned char* stages[Stages];
#pragma unroll
  for (unsigned i = 0; i < Stages; i++) {
    mbarrier_wait(barriers.full + at.stage, at.parity);
    // The same in all lanes. Where that is known, descriptors lie in uniform registers; of two stages it is not.
    used[i] = Stages == 1 ? at.stage : __shfl_sync(0xffffffffu, at.stage, 0);
    stages[i] = shared + used[i] * STAGE_BYTES;
    at.advance();
  }
  if (letFollow) named_barrier_arrive(LAG_BARRIER, 256);
  const float* scales = reinterpret_cast<const float*>(stages[0] + SCALES_AT + consumer * 2 * SCALE_BYTES) +
                        thread / 32 * 16 + thread % 32 / 4;
#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    // This lane's codes: 16 channels of a panel.
    const unsigned words = X_BYTES + (consumer * 2 + half) * PANEL_BYTES + thread * 16;
    uint4 codes;
#pragma unroll
    for (unsigned group = 0; group < STAGE_GROUPS; group++) {
      if (GROUPS % STAGE_GROUPS != 0 && firstGroup + group >= GROUPS) break;
      // There are rows always. But what comes after a branch is not begun before it: there are no registers for a group's
      // products while those of the last one are promoted.
      if (half + group != 0 && rows == 0) break;
      const float* own = scales + half * (SCALE_BYTES / sizeof(float)) + group * 64;
      const float scale[2] = {scaleOfSums(own[0]), scaleOfSums(own[8])};
      Product sums[Tokens / 2];
      unsigned a[FRAGMENTS][4];
      wgmma_pin(sums);
#pragma unroll
      for (unsigned i = 0; i < steps; i++) {
        const unsigned step = (group * steps + i) % STAGE_STEPS;
        const unsigned char* stage = stages[i / STAGE_STEPS];
        unsigned (&weights)[4] = a[i % FRAGMENTS];
        if (step == 0) codes = groupCodes(*reinterpret_cast<const uint4*>(stage + words));
        if (i >= FRAGMENTS) wgmma_wait<FRAGMENTS - 1>();
        unpackStep(weights, codes, step);
        wgmma_pin(weights);
        wgmma_fence();
        if (i == 0) {
          multiply<false>(sums, weights, stepOf(stage, step));
        } else {
          multiply<true>(sums, weights, stepOf(stage, step));
        }
        wgmma_commit();
      }
      wgmma_wait<0>();
      wgmma_pin(sums);
#pragma unroll
      for (unsigned i = 0; i < Tokens / 2; i++) promote(results[half][i], sums[i], scale[i / 2 % 2]);
    }
  }
#pragma unroll
  for (unsigned i = 0; i < Stages; i++) {
    if (thread % 32 == 0) mbarrier_arrive(barriers.empty + used[i]);
  }
}

// A consumer's share of a tile, or of half a tile. `first`: of the block's first one.
template <unsigned Tokens>
__device__ __forceinline__ void consumeTile(const Arguments& arguments, unsigned char* shared, Barriers& barriers, Position& at,
                                            const Work& work, unsigned consumer, unsigned thread, bool first) {
  Sum results[2][Tokens / 2] = {};
  if (first && consumer == 1) named_barrier_sync(LAG_BARRIER, 256);
#pragma unroll 1
  for (unsigned block = 0; block < K_BLOCKS; block += GROUP_STAGES) {
    const bool letFollow = first && consumer == 0 && block == LAG / GROUP_STAGES * GROUP_STAGES;
    const unsigned group = block * 128 / GROUP;
    if (K_BLOCKS % GROUP_STAGES == 0 || block + GROUP_STAGES <= K_BLOCKS) {
      consumeStages<Tokens, GROUP_STAGES>(results, shared, barriers, at, arguments.rows, group, consumer, thread, letFollow);
    } else {
      consumeStages<Tokens, 1>(results, shared, barriers, at, arguments.rows, group, consumer, thread, letFollow);
    }
  }
  const unsigned firstChannel = work.channelTile * CHANNELS + consumer * GROUP_CHANNELS;
  const Epilogue<Tokens> epilogue(arguments, consumer, thread, firstChannel, work.firstToken);
  Factors& factors = reinterpret_cast<Factors*>(shared + FACTORS_AT)[consumer];
  epilogue.store(arguments, results, shared + STAGING_AT + consumer * STAGING_BYTES, factors);
}

__device__ __forceinline__ void consume(const Arguments& arguments, unsigned char* shared, Barriers& barriers,
                                        unsigned consumer, unsigned thread) {
  const Order order(arguments.rows, gridDim.x);
  Position at;
  bool first = true;
#pragma unroll 1
  for (unsigned index = blockIdx.x; index < order.count; index += gridDim.x) {
    const Work work = order.at(index);
    if (work.firstToken >= arguments.rows) continue;
    if (work.half) {
      consumeTile<TOKENS / 2>(arguments, shared, barriers, at, work, consumer, thread, first);
    } else {
      consumeTile<TOKENS>(arguments, shared, barriers, at, work, consumer, thread, first);
    }
    first = false;
  }
  tma_store_wait<0>();
}

extern "C" __global__ void __launch_bounds__(384, 1)
ternary_gemm(const __grid_constant__ Arguments arguments, const __grid_constant__ TensorMap xMap) {
  extern __shared__ __align__(1024) unsigned char shared[];
  Barriers& barriers = *reinterpret_cast<Barriers*>(shared + BARRIERS_AT);
  if (threadIdx.x == 0) {
    for (unsigned stage = 0; stage < STAGES; stage++) {
      mbarrier_init(barriers.full + stage, 1);
      mbarrier_init(barriers.empty + stage, CONSUMERS * 4);
    }
    mbarrier_init_fence();
  }
  __syncthreads();
  // The same in all lanes, and known to be by the compiler.
  const unsigned warpgroup = __shfl_sync(0xffffffffu, threadIdx.x / 128, 0);
  if (warpgroup == CONSUMERS) {
    setmaxnreg_dec<24>();
    produce(arguments, xMap, shared, barriers, threadIdx.x % 128);
  } else {
    setmaxnreg_inc<240>();
    consume(arguments, shared, barriers, warpgroup, threadIdx.x % 128);
  }
}
