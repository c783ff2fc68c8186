#pragma once

#include "cuda/bf16.cuh"

// N neighbouring elements as floats, by accesses of up to 16 bytes; `from` and `to` are aligned to them.
template <int N>
__device__ __forceinline__ void loadVector(const float* from, float (&v)[N]) {
  static_assert(N == 2 || N % 4 == 0, "one access of 8 bytes or some of 16");
  if (N == 2) {
    const float2 pair = *reinterpret_cast<const float2*>(from);
    v[0] = pair.x;
    v[1] = pair.y;
  } else {
#pragma unroll
    for (int e = 0; e + 3 < N; e += 4) {
      const float4 four = *reinterpret_cast<const float4*>(from + e);
      v[e] = four.x;
      v[e + 1] = four.y;
      v[e + 2] = four.z;
      v[e + 3] = four.w;
    }
  }
}
__device__ __forceinline__ void loadVector(const bf16* from, float (&v)[4]) {
  const uint2 pairs = *reinterpret_cast<const uint2*>(from);
  v[0] = lowFloat(pairs.x);
  v[1] = highFloat(pairs.x);
  v[2] = lowFloat(pairs.y);
  v[3] = highFloat(pairs.y);
}
__device__ __forceinline__ void loadVector(const bf16* from, float (&v)[8]) {
  const uint4 pairs = *reinterpret_cast<const uint4*>(from);
  v[0] = lowFloat(pairs.x);
  v[1] = highFloat(pairs.x);
  v[2] = lowFloat(pairs.y);
  v[3] = highFloat(pairs.y);
  v[4] = lowFloat(pairs.z);
  v[5] = highFloat(pairs.z);
  v[6] = lowFloat(pairs.w);
  v[7] = highFloat(pairs.w);
}

// Elements that are read once: their vectors bypass L1, which is left to what rows share.
template <typename T>
struct Once {
  const T* at;

  __device__ __forceinline__ Once operator+(int i) const { return {at + i}; }
  __device__ __forceinline__ const T& operator*() const { return *at; }
};
__device__ __forceinline__ void loadVector(Once<float> from, float (&v)[4]) {
  const float4 four = __ldcg(reinterpret_cast<const float4*>(from.at));
  v[0] = four.x;
  v[1] = four.y;
  v[2] = four.z;
  v[3] = four.w;
}

template <int N>
__device__ __forceinline__ void storeVector(float* to, const float (&v)[N]) {
  static_assert(N % 4 == 0, "accesses of 16 bytes");
#pragma unroll
  for (int e = 0; e < N; e += 4) *reinterpret_cast<float4*>(to + e) = make_float4(v[e], v[e + 1], v[e + 2], v[e + 3]);
}
__device__ __forceinline__ void storeVector(bf16* to, const float (&v)[4]) {
  *reinterpret_cast<uint2*>(to) = make_uint2(packBf16(v[0], v[1]), packBf16(v[2], v[3]));
}
__device__ __forceinline__ void storeVector(bf16* to, const float (&v)[8]) {
  *reinterpret_cast<uint4*>(to) =
      make_uint4(packBf16(v[0], v[1]), packBf16(v[2], v[3]), packBf16(v[4], v[5]), packBf16(v[6], v[7]));
}
