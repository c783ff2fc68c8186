#pragma once
#include "cuda/operand.cuh"

// Whether the runtime makes a tensor map of an operand's rows.
template <typename T>
__device__ __forceinline__ bool rowsMapped(const Operand<T>& operand, unsigned rows) {
  return rowsAligned(operand, 16) && operand.stepStride == 0 && (operand.stride != 0 || rows == 1);
}

// What tma_load_2d puts into shared memory with 128-byte swizzle, for rows of any alignment: a box of 128 bytes by
// `boxRows` rows from (column, row) on of an operand of columns by rows, zeros outside. By `threads` threads.
template <typename T>
__device__ __forceinline__ void copySwizzled(unsigned char* shared, const Operand<const T>& operand, const unsigned* step,
                                             unsigned columns, unsigned rows, unsigned column, unsigned row,
                                             unsigned boxRows, unsigned thread, unsigned threads) {
  constexpr unsigned perRow = 128 / sizeof(T);
#pragma unroll 1
  for (unsigned i = thread; i < boxRows * perRow; i += threads) {
    const unsigned r = i / perRow, c = i % perRow;
    T value = {};
    if (row + r < rows && column + c < columns) value = rowOf(operand, step, row + r)[column + c];
    const unsigned at = c * sizeof(T);
    *reinterpret_cast<T*>(shared + r * 128 + ((at / 16) ^ (r % 8)) * 16 + at % 16) = value;
  }
}
