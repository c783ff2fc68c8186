#pragma once

#include "cuda/bf16.cuh"

// Four neighbours as floats, by one vector load where rows are `aligned` to four elements.
__device__ __forceinline__ float4 loadFour(const float* from, bool aligned) {
  if (aligned) return *reinterpret_cast<const float4*>(from);
  return make_float4(from[0], from[1], from[2], from[3]);
}
__device__ __forceinline__ float4 loadFour(const bf16* from, bool aligned) {
  if (!aligned) return make_float4(toFloat(from[0]), toFloat(from[1]), toFloat(from[2]), toFloat(from[3]));
  const uint2 pairs = *reinterpret_cast<const uint2*>(from);
  return make_float4(lowFloat(pairs.x), highFloat(pairs.x), lowFloat(pairs.y), highFloat(pairs.y));
}

__device__ __forceinline__ void storeFour(float* to, float4 x, bool aligned) {
  if (aligned) {
    *reinterpret_cast<float4*>(to) = x;
    return;
  }
  to[0] = x.x;
  to[1] = x.y;
  to[2] = x.z;
  to[3] = x.w;
}
__device__ __forceinline__ void storeFour(bf16* to, float4 x, bool aligned) {
  if (aligned) {
    *reinterpret_cast<uint2*>(to) = make_uint2(packBf16(x.x, x.y), packBf16(x.z, x.w));
    return;
  }
  storeFloat(to, x.x);
  storeFloat(to + 1, x.y);
  storeFloat(to + 2, x.z);
  storeFloat(to + 3, x.w);
}
