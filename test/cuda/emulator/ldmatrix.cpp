// Matrices between registers and shared memory.
#include "bits.h"
#include "block.h"
#include "matrix.h"

namespace emulator {
namespace {

// ldmatrix and stmatrix: lane 8i + r gives the address of row r of matrix i (8 rows of 8 16-bit elements); lane l holds
// elements 2(l%4) and 2(l%4)+1 of row l/4, or of the column where the matrix is transposed.
const unsigned short* matrixRow(void* const* operands, unsigned matrix, unsigned row) {
  const void* address = static_cast<const MatrixOperands*>(operands[8 * matrix + row])->row;
  if ((size_t)address % 16 != 0) Block::now->fail("a matrix row that is not 16-byte aligned", LAUNCH_FAILED);
  if (!Block::now->isShared(address, 16)) Block::now->fail("a matrix row outside shared memory", LAUNCH_FAILED);
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

}  // namespace

const MatrixInstructions MATRICES = {
    loadMatrices<1, false>, loadMatrices<2, false>, loadMatrices<4, false>,
    loadMatrices<2, true>,  loadMatrices<4, true>,  storeMatrices<4, true>,
};

}  // namespace emulator
