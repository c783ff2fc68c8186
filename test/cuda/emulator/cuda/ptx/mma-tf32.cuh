#pragma once
#include "matrix.h"

// cvt.rna.tf32.f32
__device__ __forceinline__ unsigned cvt_tf32(float x) {
  const unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffe000u;
  return (bits + 0x1000u) & 0xffffe000u;
}
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emulator::MmaOperands operands = {d, a, b};
  emulatorCore->warp("mma_m16n8k8_tf32", 0xffffffffu, &operands, emulatorCore->mma->m16n8k8Tf32);
}
