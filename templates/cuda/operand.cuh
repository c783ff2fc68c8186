#pragma once

// Rows of a matrix in device memory, as a launch passes them.
template <typename T>
struct Operand {
  T* data;              // row 0
  unsigned stride;      // elements from one row to the next; 0 repeats row 0
  unsigned stepStride;  // elements that one denoising step moves row 0 by
};

// Row m of an operand at the launch's step.
template <typename T>
__device__ __forceinline__ T* rowOf(const Operand<T>& operand, const unsigned* step, unsigned m) {
  const unsigned long long moved = operand.stepStride == 0 ? 0ull : (unsigned long long)*step * operand.stepStride;
  return operand.data + moved + (unsigned long long)m * operand.stride;
}

// Whether every row starts on a multiple of `bytes`, so that vectors of this size may be loaded. A step moves whole rows.
template <typename T>
__device__ __forceinline__ bool rowsAligned(const Operand<T>& operand, unsigned bytes) {
  const unsigned long long strides = ((unsigned long long)operand.stride | operand.stepStride) * sizeof(T);
  return (((unsigned long long)operand.data | strides) & (bytes - 1)) == 0;
}
