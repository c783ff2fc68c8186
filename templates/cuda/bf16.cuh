#pragma once

// A bfloat16 as storage; arithmetic is in float.
struct bf16 {
  unsigned short bits;
};

__device__ __forceinline__ float toFloat(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }
__device__ __forceinline__ float toFloat(float x) { return x; }

// The low and the high half of a packed pair.
__device__ __forceinline__ float lowFloat(unsigned pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float highFloat(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }

// Rounds to nearest even; a NaN stays one.
__device__ __forceinline__ unsigned short bf16Bits(float x) {
  const unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (unsigned short)((bits >> 16) | 0x40u);
  return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
__device__ __forceinline__ unsigned packBf16(float low, float high) {
  return (unsigned)bf16Bits(low) | ((unsigned)bf16Bits(high) << 16);
}

__device__ __forceinline__ void storeFloat(float* to, float x) { *to = x; }
__device__ __forceinline__ void storeFloat(bf16* to, float x) { to->bits = bf16Bits(x); }
