#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const signed char> q;
  Operand<const float> rowScale;
  Operand<const int> rowSum;
  Operand<const unsigned> weights;
  Operand<const float> scales;
  Operand<const float> bias;
  Operand<float> out;
};
static_assert(sizeof(Arguments) == 128, "Arguments is laid out as the runtime fills it");
#include "cuda/ptx/tma.cuh"
#include "cuda/ptx/wgmma.cuh"
#include "cuda/ternary-fragments.cuh"

using Sum = int;
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

__device__ __forceinline__ void multiply(int (&d)[64], const unsigned (&a)[4], unsigned long long b) {
  wgmma_m64n128k32_u8s8(d, a, b);
}
__device__ __forceinline__ void multiply(int (&d)[32], const unsigned (&a)[4], unsigned long long b) {
  wgmma_m64n64k32_u8s8(d, a, b);
}

// Adds the products of a stage. Registers of one step's fragments are filled while the step before is multiplied.
template <unsigned Tokens, typename Begun, typename Ending>
__device__ __forceinline__ void multiplyBlock(Sum (&sums)[2][Tokens / 2], const uint4 (&codes)[2], const unsigned char* x,
                                              Begun begun, Ending ending) {
  const unsigned long long tokens = wgmma_descriptor_128B(x);
  unsigned a[2][2][4];
#pragma unroll
  for (unsigned step = 0; step < 4; step++) {
#pragma unroll
    for (unsigned half = 0; half < 2; half++) {
      unpackCodes(a[step % 2][half], wordOf(codes[half], step));
      wgmma_pin(a[step % 2][half]);
    }
    wgmma_fence();
    multiply(sums[0], a[step % 2][0], tokens + 2 * step);
    multiply(sums[1], a[step % 2][1], tokens + 2 * step);
    wgmma_commit();
    wgmma_wait<1>();
    if (step == 0) begun();
    if (step == 2) ending();
  }
}

#include "cuda/ptx/hopper.cuh"
#include "cuda/ptx/mbarrier.cuh"
#include "cuda/ptx/tma.cuh"
#include "cuda/tile-order.cuh"

constexpr unsigned N = 96;
constexpr unsigned K_BLOCKS = 1;
constexpr unsigned STAGES = 6;
constexpr unsigned CONSUMERS = 2;
constexpr unsigned GROUP_CHANNELS = 128;
constexpr unsigned CHANNELS = CONSUMERS * GROUP_CHANNELS;
constexpr unsigned CHANNEL_TILES = (N + CHANNELS - 1) / CHANNELS;
constexpr unsigned WEIGHT_PANELS = (N + 63) / 64;
constexpr unsigned PANEL_BYTES = 2048;  // 64 channels by 128 k
constexpr unsigned WEIGHT_BYTES = CHANNELS / 64 * PANEL_BYTES;
constexpr unsigned STAGE_BYTES = X_BYTES + WEIGHT_BYTES;
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
  float scale;
  float bias;
};

struct TokenFactors {
  int rowSum;
  float rowScale;
};

// Of a consumer's tile, in shared memory.
struct Factors {
  ChannelFactors channels[GROUP_CHANNELS];
  TokenFactors tokens[TOKENS];
};

// activate(product + bias)
__device__ __forceinline__ float finish(Sum sum, const ChannelFactors& channel, const TokenFactors& token) {
  const float product = (float)(sum - token.rowSum) * token.rowScale * channel.scale;
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
    channelFactors.scale = channel < N ? rowOf(arguments.scales, arguments.step, 0)[channel] : 0.0f;
    channelFactors.bias = channel < N ? rowOf(arguments.bias, arguments.step, 0)[channel] : 0.0f;
    const unsigned row = firstToken + (thread < tokens ? thread : 0);
    tokenFactors.rowSum = *rowOf(arguments.rowSum, arguments.step, row);
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
static_assert(BARRIERS_AT + sizeof(Barriers) <= 221280, "shared memory holds all parts");

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
        mbarrier_expect(full, (mapped ? boxes * (X_BYTES / 2) : 0) + panels * PANEL_BYTES);
        if (mapped) loadX(xMap, x, work.firstToken, block, boxes, full);
        for (unsigned panel = 0; panel < panels; panel++) {
          const unsigned long long from = (unsigned long long)(firstPanel + panel) * K_BLOCKS + block;
          bulk_load(x + X_BYTES + panel * PANEL_BYTES, weights + from * PANEL_BYTES, PANEL_BYTES, full);
        }
      }
      at.advance();
    }
  }
}

// A consumer's share of a tile, or of half a tile. `first`: of the block's first one.
template <unsigned Tokens>
__device__ __forceinline__ void consumeTile(const Arguments& arguments, unsigned char* shared, Barriers& barriers, Position& at,
                                            const Work& work, unsigned consumer, unsigned thread, bool first) {
  const unsigned lane = thread % 32;
  const unsigned firstChannel = work.channelTile * CHANNELS + consumer * GROUP_CHANNELS;
  const Epilogue<Tokens> epilogue(arguments, consumer, thread, firstChannel, work.firstToken);
  // This lane's codes of a stage: 16 channels of two panels.
  const unsigned char* words = shared + X_BYTES + consumer * 2 * PANEL_BYTES + thread * 16;
  Sum sums[2][Tokens / 2];
#pragma unroll
  for (unsigned i = 0; i < Tokens / 2; i++) {
    sums[0][i] = 0;
    sums[1][i] = 0;
  }
  wgmma_pin(sums[0]);
  wgmma_pin(sums[1]);
  if (first && consumer == 1) named_barrier_sync(LAG_BARRIER, 256);
  mbarrier_wait(barriers.full + at.stage, at.parity);
  uint4 codes[2];
  readCodes(codes, words + at.stage * STAGE_BYTES);
  unsigned last = 0;
#pragma unroll 1
  for (unsigned block = 0; block < K_BLOCKS; block++) {
    Position next = at;
    next.advance();
    uint4 following[2] = {codes[0], codes[1]};
    multiplyBlock<Tokens>(
      sums, codes, shared + at.stage * STAGE_BYTES,
      // While the first multiplications of this stage run: those of the last one are over.
      [&] {
        if (block != 0 && lane == 0) mbarrier_arrive(barriers.empty + last);
        if (block == LAG && first && consumer == 0) named_barrier_arrive(LAG_BARRIER, 256);
      },
      // While the last ones but one run.
      [&] {
        if (block + 1 == K_BLOCKS) return;
        mbarrier_wait(barriers.full + next.stage, next.parity);
        readCodes(following, words + next.stage * STAGE_BYTES);
      });
    last = at.stage;
    at = next;
    codes[0] = following[0];
    codes[1] = following[1];
  }
  wgmma_wait<0>();
  wgmma_pin(sums[0]);
  wgmma_pin(sums[1]);
  if (lane == 0) mbarrier_arrive(barriers.empty + last);
  Factors& factors = reinterpret_cast<Factors*>(shared + FACTORS_AT)[consumer];
  epilogue.store(arguments, sums, shared + STAGING_AT + consumer * STAGING_BYTES, factors);
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
    setmaxnreg_dec<40>();
    produce(arguments, xMap, shared, barriers, threadIdx.x % 128);
  } else {
    setmaxnreg_inc<232>();
    consume(arguments, shared, barriers, warpgroup, threadIdx.x % 128);
  }
}
