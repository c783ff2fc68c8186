#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> q;
  Operand<const float> k;
  Operand<const float> v;
  Operand<const float> bias;
  Operand<const int> mask;
  Operand<float> out;
  unsigned scalars[2];
};
static_assert(sizeof(Arguments) == 120, "Arguments is laid out as the runtime fills it");
#include "cuda/attention-block.cuh"
#include "cuda/vector.cuh"

constexpr unsigned THREADS = 256;
constexpr unsigned HEAD_DIM = 32;
constexpr unsigned CHUNK = 32;
constexpr unsigned CHUNKS = (HEAD_DIM + CHUNK - 1) / CHUNK;
constexpr unsigned VECTORS = CHUNK / 4;
constexpr unsigned ROW_BLOCK = 4;
constexpr unsigned KEY_BLOCK = 2;
constexpr unsigned ROWS = 16 * ROW_BLOCK;
constexpr unsigned KEYS = 16 * KEY_BLOCK;
// An odd number of vectors from row to row: neighbouring rows lie in different banks.
constexpr unsigned PITCH = 4 * (VECTORS | 1);
constexpr unsigned WEIGHT_PITCH = KEYS + 4;
// Vectors of a chunk that a thread has of each output row.
constexpr unsigned SPANS = (VECTORS + 15) / 16;
// exp(x) = 2^(x · log2(e))
constexpr float SCORE_SCALE = 0.5f * 1.4426950408889634f;
constexpr float LOWEST = -3.40282e38f;
static_assert(THREADS == 256 && HEAD_DIM % 4 == 0 && CHUNK % 4 == 0, "vectors of four channels");
static_assert(CHUNKS == 1 || CHUNK % 64 == 0, "every chunk but the only one is whole spans");

// TILE_ROWS rows of a chunk as floats; zeros from row `end` and from the end of the head on.
template <unsigned TILE_ROWS, typename T>
__device__ __forceinline__ void loadTile(
    float* tile, const Operand<T>& from, const unsigned* step, unsigned first, unsigned end, unsigned head, unsigned chunk,
    bool aligned) {
  for (unsigned i = threadIdx.x; i < TILE_ROWS * VECTORS; i += THREADS) {
    const unsigned row = i / VECTORS;
    const unsigned channel = chunk * CHUNK + i % VECTORS * 4;
    float x[4] = {};
    if (first + row < end && channel < HEAD_DIM) {
      T* at = rowOf(from, step, first + row) + head * HEAD_DIM + channel;
      if (aligned) {
        loadVector(at, x);
      } else {
#pragma unroll
        for (unsigned e = 0; e < 4; e++) x[e] = toFloat(at[e]);
      }
    }
    storeVector(tile + row * PITCH + i % VECTORS * 4, x);
  }
}

__device__ __forceinline__ float4 vectorAt(const float* at) { return *reinterpret_cast<const float4*>(at); }

__device__ __forceinline__ float dot(float sum, float4 a, float4 b) {
  return __fmaf_rn(a.w, b.w, __fmaf_rn(a.z, b.z, __fmaf_rn(a.y, b.y, __fmaf_rn(a.x, b.x, sum))));
}

__device__ __forceinline__ void accumulate(float4& sum, float weight, float4 x) {
  sum.x = __fmaf_rn(weight, x.x, sum.x);
  sum.y = __fmaf_rn(weight, x.y, sum.y);
  sum.z = __fmaf_rn(weight, x.z, sum.z);
  sum.w = __fmaf_rn(weight, x.w, sum.w);
}

// The score of a product in powers of 2; -inf where the key does not take part.
__device__ __forceinline__ float score(const Arguments& arguments, const unsigned* step, unsigned head, unsigned row,
                                       unsigned key, unsigned keys, float product) {
  const float left = __uint_as_float(0xff800000u);
  if (key >= keys) return left;
  if (key > row) return left;
  if (rowOf(arguments.mask, step, 0)[key] == 0) return left;
  // Rows that do not exist take the last one's.
  const unsigned last = arguments.rows - 1;
  const float added = rowOf(arguments.bias, step, head)[key + last - min(row, last)];
  return __fmaf_rn(added, 1.4426950408889634f, product * SCORE_SCALE);
}

// Over the 16 threads of a row.
__device__ __forceinline__ float maximumOfRow(float x) {
#pragma unroll
  for (unsigned other = 8; other > 0; other /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, other));
  return x;
}
__device__ __forceinline__ float sumOfRow(float x) {
#pragma unroll
  for (unsigned other = 8; other > 0; other /= 2) x += __shfl_xor_sync(0xffffffffu, x, other);
  return x;
}

extern "C" __global__ void __launch_bounds__(256, 1) attention(const __grid_constant__ Arguments arguments) {
  extern __shared__ __align__(1024) unsigned char shared[];
  float* queryTile = reinterpret_cast<float*>(shared);
  // Values take the place of keys.
  float* keyTile = queryTile + ROWS * PITCH;
  float* weights = keyTile + KEYS * PITCH;

  const unsigned tx = threadIdx.x % 16;
  const unsigned ty = threadIdx.x / 16;
  const AttentionBlock block = attentionBlock();
  const unsigned firstRow = block.tile * ROWS;
  const unsigned rows = arguments.rows;
  // No row of the tile reads a key after its last one.
  const unsigned keys = min(arguments.scalars[0], firstRow + ROWS);
  const unsigned keyHead = block.head / 2;
  const unsigned* step = arguments.step;
  const bool alignedQ = rowsAligned(arguments.q, 4 * sizeof(*arguments.q.data));
  const bool alignedK = rowsAligned(arguments.k, 4 * sizeof(*arguments.k.data));
  const bool alignedV = rowsAligned(arguments.v, 4 * sizeof(*arguments.v.data));
  const bool alignedOut = rowsAligned(arguments.out, 4 * sizeof(*arguments.out.data));

  float4 o[ROW_BLOCK][CHUNKS][SPANS];
  float peak[ROW_BLOCK];
  float sum[ROW_BLOCK];
#pragma unroll
  for (unsigned i = 0; i < ROW_BLOCK; i++) {
    peak[i] = LOWEST;
    sum[i] = 0.0f;
#pragma unroll
    for (unsigned chunk = 0; chunk < CHUNKS; chunk++) {
#pragma unroll
      for (unsigned j = 0; j < SPANS; j++) o[i][chunk][j] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
  }

  for (unsigned firstKey = 0; firstKey < keys; firstKey += KEYS) {
    float s[ROW_BLOCK][KEY_BLOCK] = {};
    for (unsigned chunk = 0; chunk < CHUNKS; chunk++) {
      __syncthreads();
      if (CHUNKS > 1 || firstKey == 0) {
        loadTile<ROWS>(queryTile, arguments.q, step, firstRow, rows, block.head, chunk, alignedQ);
      }
      loadTile<KEYS>(keyTile, arguments.k, step, firstKey, keys, keyHead, chunk, alignedK);
      __syncthreads();
#pragma unroll 4
      for (unsigned e = 0; e < VECTORS; e++) {
        float4 key[KEY_BLOCK];
#pragma unroll
        for (unsigned j = 0; j < KEY_BLOCK; j++) key[j] = vectorAt(keyTile + (tx + 16 * j) * PITCH + 4 * e);
#pragma unroll
        for (unsigned i = 0; i < ROW_BLOCK; i++) {
          const float4 query = vectorAt(queryTile + (ty * ROW_BLOCK + i) * PITCH + 4 * e);
#pragma unroll
          for (unsigned j = 0; j < KEY_BLOCK; j++) s[i][j] = dot(s[i][j], query, key[j]);
        }
      }
    }

#pragma unroll
    for (unsigned i = 0; i < ROW_BLOCK; i++) {
      float next = peak[i];
#pragma unroll
      for (unsigned j = 0; j < KEY_BLOCK; j++) {
        const unsigned row = firstRow + ty * ROW_BLOCK + i;
        s[i][j] = score(arguments, step, block.head, row, firstKey + tx + 16 * j, keys, s[i][j]);
        next = fmaxf(next, s[i][j]);
      }
      next = maximumOfRow(next);
      const float shrink = exp2f(peak[i] - next);
      peak[i] = next;
      sum[i] *= shrink;
#pragma unroll
      for (unsigned j = 0; j < KEY_BLOCK; j++) {
        const float weight = exp2f(s[i][j] - next);
        sum[i] += weight;
        weights[(ty * ROW_BLOCK + i) * WEIGHT_PITCH + tx + 16 * j] = weight;
      }
#pragma unroll
      for (unsigned chunk = 0; chunk < CHUNKS; chunk++) {
#pragma unroll
        for (unsigned j = 0; j < SPANS; j++) {
          float4& x = o[i][chunk][j];
          x = make_float4(x.x * shrink, x.y * shrink, x.z * shrink, x.w * shrink);
        }
      }
    }

#pragma unroll
    for (unsigned chunk = 0; chunk < CHUNKS; chunk++) {
      __syncthreads();
      loadTile<KEYS>(keyTile, arguments.v, step, firstKey, keys, keyHead, chunk, alignedV);
      __syncthreads();
#pragma unroll 2
      for (unsigned key = 0; key < KEYS; key += 4) {
        float4 weight[ROW_BLOCK];
#pragma unroll
        for (unsigned i = 0; i < ROW_BLOCK; i++) weight[i] = vectorAt(weights + (ty * ROW_BLOCK + i) * WEIGHT_PITCH + key);
#pragma unroll
        for (unsigned j = 0; j < SPANS; j++) {
          if (64 * j + 4 * tx >= CHUNK) continue;
          const float* at = keyTile + key * PITCH + 64 * j + 4 * tx;
#pragma unroll
          for (unsigned i = 0; i < ROW_BLOCK; i++) {
            accumulate(o[i][chunk][j], weight[i].x, vectorAt(at));
            accumulate(o[i][chunk][j], weight[i].y, vectorAt(at + PITCH));
            accumulate(o[i][chunk][j], weight[i].z, vectorAt(at + 2 * PITCH));
            accumulate(o[i][chunk][j], weight[i].w, vectorAt(at + 3 * PITCH));
          }
        }
      }
    }
  }

#pragma unroll
  for (unsigned i = 0; i < ROW_BLOCK; i++) {
    const float total = sumOfRow(sum[i]);
    const unsigned row = firstRow + ty * ROW_BLOCK + i;
    if (row >= rows) continue;
    auto* to = rowOf(arguments.out, step, row) + block.head * HEAD_DIM;
#pragma unroll
    for (unsigned chunk = 0; chunk < CHUNKS; chunk++) {
#pragma unroll
      for (unsigned j = 0; j < SPANS; j++) {
        const unsigned channel = chunk * CHUNK + 64 * j + 4 * tx;
        if (64 * j + 4 * tx >= CHUNK || channel >= HEAD_DIM) continue;
        const float4 x = o[i][chunk][j];
        const float y[4] = {x.x / total, x.y / total, x.z / total, x.w / total};
        if (alignedOut) {
          storeVector(to + channel, y);
        } else {
#pragma unroll
          for (unsigned e = 0; e < 4; e++) storeFloat(to + channel + e, y[e]);
        }
      }
    }
  }
}
