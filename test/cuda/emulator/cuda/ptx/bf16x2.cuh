#pragma once

// Pairs of bfloat16, rounded to nearest even.
namespace emulator {
inline unsigned floatToBf16(float x) {
  const unsigned bits = __float_as_uint(x);
  if (__builtin_isnan(x)) return 0x7fffu;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
// A double of at most 24 + 8 significant bits, rounded once.
inline unsigned doubleToBf16(double x) {
  // Rounding to odd in float keeps what decides the second rounding.
  float nearest = (float)x;
  unsigned bits = __float_as_uint(nearest);
  if ((double)nearest != x && (bits & 1u) == 0) {
    const bool up = (fabs((double)nearest) < fabs(x));
    bits = up ? bits + 1 : bits - 1;
    nearest = __uint_as_float(bits);
  }
  return floatToBf16(nearest);
}
}  // namespace emulator

__device__ __forceinline__ unsigned cvt_bf16x2(float low, float high) {
  return emulator::floatToBf16(low) | emulator::floatToBf16(high) << 16;
}
__device__ __forceinline__ unsigned fma_bf16x2(unsigned a, unsigned b, unsigned c) {
  unsigned result = 0;
  for (int i = 0; i < 32; i += 16) {
    const double x = __uint_as_float((a >> i) << 16), y = __uint_as_float((b >> i) << 16),
                 z = __uint_as_float((c >> i) << 16);
    result |= emulator::doubleToBf16(x * y + z) << i;
  }
  return result;
}
