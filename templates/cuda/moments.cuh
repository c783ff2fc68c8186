#pragma once

#include "cuda/reduce.cuh"
#include "cuda/row.cuh"

struct Moments {
  float mean;
  float factor;  // 1 / sqrt(variance + epsilon)
};

// Mean first, then the mean square distance from it.
template <int C, typename Values, int GROUP>
__device__ __forceinline__ Moments momentsOf(Values& x, GroupFold<GROUP>& fold, float epsilon) {
  float sum = 0.0f;
  x.elements([&](float v) { sum += v; });
  const float mean = fold.sum(sum) * (1.0f / C);
  float squares = 0.0f;
  x.elements([&](float v) { squares = __fmaf_rn(v - mean, v - mean, squares); });
  return {mean, rsqrtf(fold.sum(squares) * (1.0f / C) + epsilon)};
}

// Modulated normalized values of the row's elements [at, at + V); 0 beyond C.
template <int C, bool VECTORS, int V>
__device__ __forceinline__ void modulate(float (&v)[V], const Moments& moments, const float* shift, const float* scale,
                                         int at) {
  float offset[V], gain[V];
  loadChunk<C, VECTORS>(shift, at, offset);
  loadChunk<C, VECTORS>(scale, at, gain);
#pragma unroll
  for (int e = 0; e < V; e++) {
    const float normalized = __fmul_rn(v[e] - moments.mean, moments.factor);
    v[e] = at + e < C ? __fmaf_rn(normalized, 1.0f + gain[e], offset[e]) : 0.0f;
  }
}
