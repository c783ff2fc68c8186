#pragma once

#include "cuda/vector.cuh"

// Visits a row of `length` floats, known at run time only, by the threads of a group: visit(at, v, count) with the
// `count` ≤ 4 elements from `at` on. VECTORS: the row is aligned to 16 bytes.
template <int GROUP, bool VECTORS, typename Visit>
__device__ __forceinline__ void streamRow(const float* row, unsigned length, int lane, const Visit& visit) {
  for (unsigned at = lane * 4; at < length; at += GROUP * 4) {
    float v[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    const unsigned count = min(4u, length - at);
    if (VECTORS && count == 4) {
      loadVector(row + at, v);
    } else {
#pragma unroll
      for (unsigned e = 0; e < 4; e++) {
        if (e < count) v[e] = row[at + e];
      }
    }
    visit(at, v, count);
  }
}

// Stores what a visitor made of its elements.
template <bool VECTORS>
__device__ __forceinline__ void storeStreamed(float* row, unsigned at, const float (&v)[4], unsigned count) {
  if (VECTORS && count == 4) {
    storeVector(row + at, v);
  } else {
#pragma unroll
    for (unsigned e = 0; e < 4; e++) {
      if (e < count) row[at + e] = v[e];
    }
  }
}
