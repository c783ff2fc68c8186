#pragma once

// Conversions between float and pairs of IEEE halves.
namespace emulator {

// To nearest, ties to even.
inline unsigned floatToHalf(float x) {
  const unsigned sign = (__float_as_uint(x) >> 16) & 0x8000u;
  const float magnitude = fabsf(x);
  if (__builtin_isnan(x)) return 0x7fffu;
  if (magnitude >= 65520.0f) return sign | 0x7c00u;
  if (magnitude < 6.103515625e-5f) return sign | (unsigned)rintf(magnitude * 16777216.0f);
  const unsigned bits = __float_as_uint(magnitude);
  return sign | ((bits + 0xfffu + ((bits >> 13) & 1u)) >> 13) - (112u << 10);
}

}  // namespace emulator

__device__ __forceinline__ unsigned cvt_f16x2(float low, float high) {
  return emulator::floatToHalf(low) | emulator::floatToHalf(high) << 16;
}
__device__ __forceinline__ float half_low(unsigned pair) { return emulator::halfToFloat(pair & 0xffffu); }
__device__ __forceinline__ float half_high(unsigned pair) { return emulator::halfToFloat(pair >> 16); }
