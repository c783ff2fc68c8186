#pragma once

#include "cuda/operand.cuh"
#include "cuda/vector.cuh"

// Rows of an operand at a step. The operand stays where the launch put it, in constant memory: kernels have several,
// and registers are for the row.
template <typename T>
struct Rows {
  const Operand<T>& operand;
  const unsigned step;

  __device__ __forceinline__ T* operator[](unsigned m) const {
    return operand.data + (unsigned long long)step * operand.stepStride + (unsigned long long)m * operand.stride;
  }
};
template <typename T>
__device__ __forceinline__ Rows<T> rowsOf(const Operand<T>& operand, unsigned step) {
  return {operand, step};
}

// Elements [at, at + V) of a row of C, 0 beyond; element i is at `from(i)`. VECTORS: the row is aligned to V elements.
template <int C, bool VECTORS, typename From, int V>
__device__ __forceinline__ void loadChunkFrom(const From& from, int at, float (&v)[V]) {
  if constexpr (VECTORS) {
    if (at + V <= C) return loadVector(from(at), v);
  }
  const bool nothing = VECTORS && C % V == 0;
#pragma unroll
  for (int e = 0; e < V; e++) v[e] = !nothing && at + e < C ? toFloat(*from(at + e)) : 0.0f;
}
template <int C, bool VECTORS, typename T, int V>
__device__ __forceinline__ void loadChunk(const T* row, int at, float (&v)[V]) {
  loadChunkFrom<C, VECTORS>([&](int i) { return row + i; }, at, v);
}

template <int C, bool VECTORS, int V>
__device__ __forceinline__ void loadChunkOnce(const float* row, int at, float (&v)[V]) {
  loadChunkFrom<C, VECTORS>([&](int i) { return Once<float>{row} + i; }, at, v);
}

template <int C, bool VECTORS, typename T, int V>
__device__ __forceinline__ void storeChunk(T* row, int at, const float (&v)[V]) {
  if constexpr (VECTORS) {
    if (at + V <= C) return storeVector(row + at, v);
  }
  const bool nothing = VECTORS && C % V == 0;
#pragma unroll
  for (int e = 0; e < V; e++) {
    if (!nothing && at + e < C) storeFloat(row + at + e, v[e]);
  }
}

// Which of a block's groups of GROUP threads this thread belongs to, and its place there.
template <int GROUP, int GROUPS>
__device__ __forceinline__ unsigned groupIndex() {
  return GROUPS == 1 ? 0 : threadIdx.x / GROUP;
}
template <int GROUP, int GROUPS>
__device__ __forceinline__ int laneIndex() {
  return GROUPS == 1 ? threadIdx.x : threadIdx.x % GROUP;
}

// How a row of C elements is spread over GROUP threads: in chunks of V, neighbouring chunks on neighbouring threads.
// EXTENT ≥ C also covers what follows the row. HELD: each thread keeps its elements in registers; otherwise every pass
// loads them again, from L2 as a rule.
template <int C, int V, int GROUP, bool HELD, int EXTENT = C>
struct RowShape {
  static constexpr int PER_THREAD = (EXTENT + V * GROUP - 1) / (V * GROUP);
  static_assert(GROUP > 0 && (GROUP % 32 == 0 || 32 % GROUP == 0), "a row takes whole warps or a part of one");
  static_assert(EXTENT >= C, "the extent covers the row");
};

// A row as `load(at, v)` gives its chunks, 0 beyond C.
template <typename Shape, typename Load>
struct RowValues;
template <int C, int V, int GROUP, bool HELD, int EXTENT, typename Load>
struct RowValues<RowShape<C, V, GROUP, HELD, EXTENT>, Load> {
  static constexpr int PER_THREAD = RowShape<C, V, GROUP, HELD, EXTENT>::PER_THREAD;
  const Load load;
  const int lane;
  float held[HELD ? PER_THREAD : 1][V];

  __device__ __forceinline__ RowValues(int lane, const Load& load) : load(load), lane(lane) {
    if constexpr (HELD) {
#pragma unroll
      for (int i = 0; i < PER_THREAD; i++) load((i * GROUP + lane) * V, held[i]);
    }
  }

  // visit(at, v) for the thread's chunks below EXTENT. A held row keeps what is written into v.
  template <typename Visit>
  __device__ __forceinline__ void chunks(const Visit& visit) {
    if constexpr (HELD) {
#pragma unroll
      for (int i = 0; i < PER_THREAD; i++) {
        const int at = (i * GROUP + lane) * V;
        if ((i + 1) * GROUP * V <= EXTENT || at < EXTENT) visit(at, held[i]);
      }
    } else {
#pragma unroll 1
      for (int at = lane * V; at < EXTENT; at += GROUP * V) {
        float v[V];
        load(at, v);
        visit(at, v);
      }
    }
  }

  // visit(v) for the thread's elements of the row proper.
  template <typename Visit>
  __device__ __forceinline__ void elements(const Visit& visit) {
    chunks([&](int at, float (&v)[V]) {
#pragma unroll
      for (int e = 0; e < V; e++) {
        if ((EXTENT == C && C % V == 0) || at + e < C) visit(v[e]);
      }
    });
  }
};
template <typename Shape, typename Load>
__device__ __forceinline__ RowValues<Shape, Load> rowValues(int lane, const Load& load) {
  return RowValues<Shape, Load>(lane, load);
}
