#pragma once
#include "cuda/ptx/wgmma.cuh"
#include "matrix.h"

template <bool ACCUMULATE>
__device__ __forceinline__ void wgmma_m64n128k32_s8s8(int (&d)[64], const unsigned (&a)[4], unsigned long long b) {
  emulator::WgmmaOperands operands = {d, a, 0, b, ACCUMULATE};
  emulatorCore->warpgroup("wgmma_m64n128k32_s8s8", &operands, emulatorCore->wgmma->n128S8);
}
template <bool ACCUMULATE>
__device__ __forceinline__ void wgmma_m64n64k32_s8s8(int (&d)[32], const unsigned (&a)[4], unsigned long long b) {
  emulator::WgmmaOperands operands = {d, a, 0, b, ACCUMULATE};
  emulatorCore->warpgroup("wgmma_m64n64k32_s8s8", &operands, emulatorCore->wgmma->n64S8);
}
