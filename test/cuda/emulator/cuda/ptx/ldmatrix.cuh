#pragma once

// ldmatrix (and what stmatrix shares with it): lane 8i + r gives the address of row r of matrix i (8 rows of 8 16-bit
// elements); lane l holds elements 2(l%4) and 2(l%4)+1 of row l/4, or of the column where the matrix is transposed.
namespace emulator {

struct MatrixOperands {
  unsigned* registers;
  const void* row;
};

inline const unsigned short* matrixRow(void* const* operands, unsigned matrix, unsigned row) {
  const void* address = static_cast<const MatrixOperands*>(operands[8 * matrix + row])->row;
  if ((size_t)address % 16 != 0) emulatorCore->fail("a matrix row that is not 16-byte aligned");
  if (!emulatorCore->isShared(address, 16)) emulatorCore->fail("a matrix row outside shared memory");
  return static_cast<const unsigned short*>(address);
}

template <unsigned COUNT, bool TRANSPOSED>
void loadMatrices(void* const* operands) {
  for (unsigned matrix = 0; matrix < COUNT; matrix++) {
    unsigned short elements[8][8];
    for (unsigned row = 0; row < 8; row++) __builtin_memcpy(elements[row], matrixRow(operands, matrix, row), 16);
    for (unsigned lane = 0; lane < 32; lane++) {
      const unsigned major = lane / 4, minor = lane % 4 * 2;
      const unsigned low = TRANSPOSED ? elements[minor][major] : elements[major][minor];
      const unsigned high = TRANSPOSED ? elements[minor + 1][major] : elements[major][minor + 1];
      static_cast<const MatrixOperands*>(operands[lane])->registers[matrix] = low | high << 16;
    }
  }
}

template <unsigned COUNT, bool TRANSPOSED>
void storeMatrices(void* const* operands) {
  for (unsigned matrix = 0; matrix < COUNT; matrix++) {
    unsigned short elements[8][8];
    for (unsigned lane = 0; lane < 32; lane++) {
      const unsigned pair = static_cast<const MatrixOperands*>(operands[lane])->registers[matrix];
      const unsigned major = lane / 4, minor = lane % 4 * 2;
      (TRANSPOSED ? elements[minor][major] : elements[major][minor]) = (unsigned short)pair;
      (TRANSPOSED ? elements[minor + 1][major] : elements[major][minor + 1]) = (unsigned short)(pair >> 16);
    }
    for (unsigned row = 0; row < 8; row++)
      __builtin_memcpy(const_cast<unsigned short*>(matrixRow(operands, matrix, row)), elements[row], 16);
  }
}

inline void matrices(const char* name, unsigned* registers, const void* row, Together together) {
  MatrixOperands operands = {registers, row};
  emulatorCore->warp(name, 0xffffffffu, &operands, together);
}

}  // namespace emulator

__device__ __forceinline__ void ldmatrix_x1(unsigned (&r)[1], const void* row) {
  emulator::matrices("ldmatrix_x1", r, row, emulator::loadMatrices<1, false>);
}
__device__ __forceinline__ void ldmatrix_x2(unsigned (&r)[2], const void* row) {
  emulator::matrices("ldmatrix_x2", r, row, emulator::loadMatrices<2, false>);
}
__device__ __forceinline__ void ldmatrix_x4(unsigned (&r)[4], const void* row) {
  emulator::matrices("ldmatrix_x4", r, row, emulator::loadMatrices<4, false>);
}
__device__ __forceinline__ void ldmatrix_x2_trans(unsigned (&r)[2], const void* row) {
  emulator::matrices("ldmatrix_x2_trans", r, row, emulator::loadMatrices<2, true>);
}
__device__ __forceinline__ void ldmatrix_x4_trans(unsigned (&r)[4], const void* row) {
  emulator::matrices("ldmatrix_x4_trans", r, row, emulator::loadMatrices<4, true>);
}
