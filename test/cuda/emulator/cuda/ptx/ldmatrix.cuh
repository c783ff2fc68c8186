#pragma once
#include "matrix.h"

namespace emulator {

inline void matrices(const char* name, unsigned* registers, const void* row, Together together) {
  MatrixOperands operands = {registers, row};
  emulatorCore->warp(name, 0xffffffffu, &operands, together);
}

}  // namespace emulator

__device__ __forceinline__ void ldmatrix_x1(unsigned (&r)[1], const void* row) {
  emulator::matrices("ldmatrix_x1", r, row, emulatorCore->matrices->load1);
}
__device__ __forceinline__ void ldmatrix_x2(unsigned (&r)[2], const void* row) {
  emulator::matrices("ldmatrix_x2", r, row, emulatorCore->matrices->load2);
}
__device__ __forceinline__ void ldmatrix_x4(unsigned (&r)[4], const void* row) {
  emulator::matrices("ldmatrix_x4", r, row, emulatorCore->matrices->load4);
}
__device__ __forceinline__ void ldmatrix_x2_trans(unsigned (&r)[2], const void* row) {
  emulator::matrices("ldmatrix_x2_trans", r, row, emulatorCore->matrices->load2Transposed);
}
__device__ __forceinline__ void ldmatrix_x4_trans(unsigned (&r)[4], const void* row) {
  emulator::matrices("ldmatrix_x4_trans", r, row, emulatorCore->matrices->load4Transposed);
}
