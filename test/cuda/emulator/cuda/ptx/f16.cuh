#pragma once

// Conversions between float and pairs of IEEE halves.
namespace emulator {

inline float halfToFloat(unsigned bits) {
  const unsigned exponent = (bits >> 10) & 0x1fu;
  const unsigned fraction = bits & 0x3ffu;
  const unsigned sign = (bits & 0x8000u) << 16;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | fraction << 13);
  if (exponent == 0) return (sign != 0 ? -1.0f : 1.0f) * (float)fraction * 5.9604644775390625e-8f;
  return __uint_as_float(sign | (exponent + 112) << 23 | fraction << 13);
}

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
