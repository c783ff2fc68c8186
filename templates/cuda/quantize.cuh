#pragma once

#include "cuda/reduce.cuh"

// As ir/ternary/quantize.ts: codes round(x·(127 / peak)) to even. Rows of a peak below 2^-100, and rows that hold an
// infinity or a NaN, have codes 0.
struct RowQuantization {
  float scale;
  float inverse;
  unsigned mask;
};

// Magnitudes in the order of their bits, in which a NaN is above all.
__device__ __forceinline__ unsigned magnitudeBits(float x) { return __float_as_uint(x) & 0x7fffffffu; }

__device__ __forceinline__ RowQuantization rowQuantization(unsigned peakBits) {
  const unsigned smallest = 0x0d800000u;  // 2^-100
  const unsigned infinity = 0x7f800000u;
  const float peak = peakBits < smallest ? 0.0f : __uint_as_float(peakBits);
  return {__fdiv_rn(peak, 127.0f), peakBits < smallest ? 0.0f : __fdiv_rn(127.0f, peak),
          peakBits < infinity ? 0xffffffffu : 0u};
}

// Four codes, the first in the lowest byte. Adding 1.5·2^23 rounds to even and leaves the code in the low bits.
__device__ __forceinline__ unsigned fourCodes(const float* v, const RowQuantization& quantization) {
  unsigned bits[4];
#pragma unroll
  for (int e = 0; e < 4; e++) {
    bits[e] = __float_as_uint(__fadd_rn(__fmul_rn(v[e], quantization.inverse), 12582912.0f));
  }
  const unsigned low = __byte_perm(bits[0], bits[1], 0x0040);
  const unsigned high = __byte_perm(bits[2], bits[3], 0x0040);
  return __byte_perm(low, high, 0x5410) & quantization.mask;
}

// Stores V codes at an address that is a multiple of V and returns their sum.
__device__ __forceinline__ int storeCodes(signed char* to, const float (&v)[4], const RowQuantization& quantization) {
  const unsigned codes = fourCodes(v, quantization);
  *reinterpret_cast<unsigned*>(to) = codes;
  return __dp4a((int)codes, 0x01010101, 0);
}
__device__ __forceinline__ int storeCodes(signed char* to, const float (&v)[8], const RowQuantization& quantization) {
  const uint2 codes = make_uint2(fourCodes(v, quantization), fourCodes(v + 4, quantization));
  *reinterpret_cast<uint2*>(to) = codes;
  return __dp4a((int)codes.x, 0x01010101, __dp4a((int)codes.y, 0x01010101, 0));
}
