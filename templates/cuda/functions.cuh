#pragma once

// Functions of elementwise kernels that are no built-in ones, as the interpreter has them: integers wrap and divide by
// zero to 0, a NaN stays one.

__device__ __forceinline__ float larger(float a, float b) { return a != a || a > b ? a : b; }
__device__ __forceinline__ int larger(int a, int b) { return a > b ? a : b; }
__device__ __forceinline__ unsigned larger(unsigned a, unsigned b) { return a > b ? a : b; }
__device__ __forceinline__ float smaller(float a, float b) { return a != a || a < b ? a : b; }
__device__ __forceinline__ int smaller(int a, int b) { return a < b ? a : b; }
__device__ __forceinline__ unsigned smaller(unsigned a, unsigned b) { return a < b ? a : b; }

__device__ __forceinline__ float signOf(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }
__device__ __forceinline__ int signOf(int x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
__device__ __forceinline__ unsigned signOf(unsigned x) { return x > 0u ? 1u : 0u; }

__device__ __forceinline__ bool isInfinite(float x) { return (__float_as_uint(x) & 0x7fffffffu) == 0x7f800000u; }
__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
// ln(1 + e^x)
__device__ __forceinline__ float softplus(float x) { return larger(x, 0.0f) + log1pf(expf(-fabsf(x))); }
__device__ __forceinline__ float mish(float x) { return x * tanhf(softplus(x)); }
__device__ __forceinline__ float softsign(float x) { return x / (1.0f + fabsf(x)); }
__device__ __forceinline__ float hardSwish(float x) { return x * smaller(larger(x / 6.0f + 0.5f, 0.0f), 1.0f); }

__device__ __forceinline__ int sum(int a, int b) { return (int)((unsigned)a + (unsigned)b); }
__device__ __forceinline__ int difference(int a, int b) { return (int)((unsigned)a - (unsigned)b); }
__device__ __forceinline__ int product(int a, int b) { return (int)((unsigned)a * (unsigned)b); }
__device__ __forceinline__ int magnitude(int a) { return a < 0 ? difference(0, a) : a; }

__device__ __forceinline__ int quotient(int a, int b) {
  if (b == 0) return 0;
  return b == -1 ? difference(0, a) : a / b;
}
__device__ __forceinline__ unsigned quotient(unsigned a, unsigned b) { return b == 0u ? 0u : a / b; }

// Of the dividend's sign.
__device__ __forceinline__ float truncatedMod(float a, float b) { return fmodf(a, b); }
__device__ __forceinline__ int truncatedMod(int a, int b) { return b == 0 || b == -1 ? 0 : a % b; }
__device__ __forceinline__ unsigned truncatedMod(unsigned a, unsigned b) { return b == 0u ? 0u : a % b; }
// Of the divisor's sign.
__device__ __forceinline__ float floorMod(float a, float b) {
  const float r = fmodf(a, b);
  return r != 0.0f && (r < 0.0f) != (b < 0.0f) ? r + b : r;
}
__device__ __forceinline__ int floorMod(int a, int b) {
  const int r = truncatedMod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
__device__ __forceinline__ unsigned floorMod(unsigned a, unsigned b) { return truncatedMod(a, b); }

// Shifts by 32 and more leave nothing; a right shift fills with zeros.
__device__ __forceinline__ unsigned shiftLeft(unsigned a, unsigned b) { return b < 32u ? a << b : 0u; }
__device__ __forceinline__ unsigned shiftRight(unsigned a, unsigned b) { return b < 32u ? a >> b : 0u; }

__device__ __forceinline__ float power(float a, float b) { return powf(a, b); }
__device__ __forceinline__ unsigned power(unsigned a, unsigned b) {
  unsigned result = 1u;
  for (; b != 0u; b >>= 1) {
    if ((b & 1u) != 0u) result *= a;
    a *= a;
  }
  return result;
}
__device__ __forceinline__ int power(int a, int b) {
  if (b >= 0) return (int)power((unsigned)a, (unsigned)b);
  if (a == -1) return (b & 1) != 0 ? -1 : 1;
  return a == 1 ? 1 : 0;
}

// Towards zero, to the nearest integer there is; of a NaN, 0.
__device__ __forceinline__ int toInt(float x) {
  if (x >= 2147483648.0f) return 2147483647;
  if (x > -2147483648.0f) return (int)x;
  return x == x ? -2147483647 - 1 : 0;
}
__device__ __forceinline__ unsigned toUnsigned(float x) {
  if (x >= 4294967296.0f) return 4294967295u;
  return x > 0.0f ? (unsigned)x : 0u;
}
