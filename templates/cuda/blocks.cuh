#pragma once

// The half-precision number of these bits.
__device__ __forceinline__ float halfOf(unsigned bits) {
  const unsigned exponent = (bits >> 10) & 31u;
  const unsigned fraction = bits & 1023u;
  const float normal = __uint_as_float(((exponent + 112u) << 23) | (fraction << 13));
  const float magnitude = exponent == 0 ? (float)fraction * 5.9604644775390625e-8f : normal;
  return (bits & 0x8000u) != 0 ? -magnitude : magnitude;
}

// Two and four bytes from any address.
__device__ __forceinline__ unsigned halfAt(const unsigned char* at) { return at[0] | (unsigned)at[1] << 8; }
__device__ __forceinline__ unsigned wordAt(const unsigned char* at) { return halfAt(at) | halfAt(at + 2) << 16; }

// The low halves of four bytes, side by side.
__device__ __forceinline__ unsigned nibbles(unsigned bytes) {
  bytes &= 0x0f0f0f0fu;
  bytes = (bytes | bytes >> 4) & 0x00ff00ffu;
  return (bytes | bytes >> 8) & 0xffffu;
}
