#pragma once
#include "core.h"

// What the lanes of matrix instructions pass. Their arithmetic is in the driver (`matrix.cpp`): compiled once, and not
// with every kernel.
namespace emulator {

// Registers of one lane; d is int or float.
struct MmaOperands {
  void* d;
  const unsigned* a;
  const unsigned* b;
};

struct MatrixOperands {
  unsigned* registers;
  const void* row;
};

struct WgmmaOperands {
  void* d;
  const unsigned* a;  // null: in shared memory
  unsigned long long descriptorA, descriptorB;
  bool accumulate;
};

// By what is done together; integers are those of the instruction's name.
struct MatrixInstructions {
  Together mma16832U8, mma16832S8, mma16816Bf16;
  Together mma8816U8, mma8816S8, mma1688F16;
  Together load1, load2, load4, load2Transposed, load4Transposed, store4Transposed;
  Together wgmma128U8, wgmma64U8, wgmma128Bf16, wgmma64Bf16, wgmma128Bf16Transposed;
};

}  // namespace emulator
