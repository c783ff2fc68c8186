#pragma once

__device__ __forceinline__ unsigned bitsOf(float x) { return __float_as_uint(x); }
__device__ __forceinline__ unsigned bitsOf(int x) { return (unsigned)x; }
__device__ __forceinline__ unsigned bitsOf(unsigned x) { return x; }
__device__ __forceinline__ void fromBits(unsigned bits, float& x) { x = __uint_as_float(bits); }
__device__ __forceinline__ void fromBits(unsigned bits, int& x) { x = (int)bits; }
__device__ __forceinline__ void fromBits(unsigned bits, unsigned& x) { x = bits; }

// Room for the results of a block's warps, twice.
using WarpResults = unsigned[2][32];

// Folds one value of each of the GROUP threads that share a row, in the same order every time; all of them get the
// result. GROUP is a power of two up to 32, or all threads of the block, every one of which must take part: warps then
// exchange their results through `results`, whose halves take turns so that one barrier per fold is enough.
template <int GROUP>
struct GroupFold {
  static_assert(GROUP <= 1024 && (GROUP % 32 == 0 || 32 % GROUP == 0), "whole warps or a part of one");
  WarpResults& results;
  unsigned turn = 0;

  __device__ __forceinline__ explicit GroupFold(WarpResults& results) : results(results) {}

  template <typename T, typename Combine>
  __device__ __forceinline__ T operator()(T value, const Combine& combine) {
#pragma unroll
    for (int distance = (GROUP < 32 ? GROUP : 32) / 2; distance > 0; distance /= 2) {
      value = combine(value, __shfl_xor_sync(0xffffffffu, value, distance));
    }
    if (GROUP > 32) {
      if (threadIdx.x % 32 == 0) results[turn][threadIdx.x / 32] = bitsOf(value);
      __syncthreads();
      fromBits(results[turn][0], value);
#pragma unroll
      for (int warp = 1; warp < GROUP / 32; warp++) {
        T other;
        fromBits(results[turn][warp], other);
        value = combine(value, other);
      }
      turn ^= 1;
    }
    return value;
  }

  template <typename T>
  __device__ __forceinline__ T sum(T value) {
    return (*this)(value, [](T a, T b) { return a + b; });
  }
  template <typename T>
  __device__ __forceinline__ T largest(T value) {
    return (*this)(value, [](T a, T b) { return a > b ? a : b; });
  }
};
