#pragma once
#include "core.h"

// What the lanes of matrix instructions pass. Their arithmetic is in the driver (`mma.cpp`, `ldmatrix.cpp`,
// `wgmma.cpp`): compiled once, and not with every kernel.
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

// By shape and what a holds.
struct MmaInstructions {
  Together m16n8k32U8, m16n8k32S8, m16n8k16Bf16, m8n8k16U8, m8n8k16S8, m16n8k8F16, m16n8k8Tf32;
};
struct MatrixInstructions {
  Together load1, load2, load4, load2Transposed, load4Transposed, store4Transposed;
};
struct WgmmaInstructions {
  Together n128U8, n64U8, n128S8, n64S8, n128Bf16, n64Bf16, n128Bf16Transposed;
};

}  // namespace emulator
