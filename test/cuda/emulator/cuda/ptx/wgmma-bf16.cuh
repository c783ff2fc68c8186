#pragma once
#include "cuda/ptx/wgmma.cuh"

// Both operands in shared memory, and b with its rows along memory.
__device__ __forceinline__ void wgmma_m64n128k16_bf16_ss(float (&d)[64], unsigned long long a, unsigned long long b,
                                                         bool accumulate) {
  emulator::WgmmaOperands operands = {d, nullptr, a, b, accumulate};
  emulatorCore->warpgroup("wgmma_m64n128k16_bf16_ss", &operands, emulatorCore->wgmma->n128Bf16);
}
__device__ __forceinline__ void wgmma_m64n64k16_bf16_ss(float (&d)[32], unsigned long long a, unsigned long long b,
                                                        bool accumulate) {
  emulator::WgmmaOperands operands = {d, nullptr, a, b, accumulate};
  emulatorCore->warpgroup("wgmma_m64n64k16_bf16_ss", &operands, emulatorCore->wgmma->n64Bf16);
}
__device__ __forceinline__ unsigned long long wgmma_descriptor_128B_transposed(const void* shared, unsigned halfBytes) {
  return emulator::descriptor(shared, halfBytes, 1024);
}
__device__ __forceinline__ void wgmma_m64n128k16_bf16_transposed(float (&d)[64], const unsigned (&a)[4],
                                                                 unsigned long long b) {
  emulator::WgmmaOperands operands = {d, a, 0, b, true};
  emulatorCore->warpgroup("wgmma_m64n128k16_bf16_transposed", &operands,
                          emulatorCore->wgmma->n128Bf16Transposed);
}
