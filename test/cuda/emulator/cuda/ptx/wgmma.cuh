#pragma once
#include "matrix.h"

namespace emulator {

// Bits of a descriptor as the hardware has them; the address counts from the start of dynamic shared memory.
inline unsigned long long descriptor(const void* shared, unsigned leadingBytes, unsigned strideBytes) {
  const unsigned long long address =
      (unsigned long long)(static_cast<const unsigned char*>(shared) - emulatorThread->shared);
  if (address >= 1u << 18) emulatorCore->fail("a wgmma descriptor of what is not dynamic shared memory");
  return ((address & 0x3ffffull) >> 4) | (unsigned long long)(leadingBytes >> 4 & 0x3fffu) << 16 |
         (unsigned long long)(strideBytes >> 4 & 0x3fffu) << 32 | 1ull << 62;
}

}  // namespace emulator

__device__ __forceinline__ void wgmma_fence() { emulatorCore->wgmmaFence(); }
__device__ __forceinline__ void wgmma_commit() { emulatorCore->wgmmaCommit(); }
template <int N>
__device__ __forceinline__ void wgmma_wait() {
  emulatorCore->wgmmaWait(N);
}
__device__ __forceinline__ unsigned long long wgmma_descriptor_128B(const void* shared) {
  return emulator::descriptor(shared, 16, 1024);
}
__device__ __forceinline__ void wgmma_m64n128k32_u8s8(int (&d)[64], const unsigned (&a)[4], unsigned long long b) {
  emulator::WgmmaOperands operands = {d, a, 0, b, true};
  emulatorCore->warpgroup("wgmma_m64n128k32_u8s8", &operands, emulatorCore->wgmma->n128U8);
}
__device__ __forceinline__ void wgmma_m64n64k32_u8s8(int (&d)[32], const unsigned (&a)[4], unsigned long long b) {
  emulator::WgmmaOperands operands = {d, a, 0, b, true};
  emulatorCore->warpgroup("wgmma_m64n64k32_u8s8", &operands, emulatorCore->wgmma->n64U8);
}
__device__ __forceinline__ void wgmma_m64n128k16_bf16(float (&d)[64], const unsigned (&a)[4], unsigned long long b) {
  emulator::WgmmaOperands operands = {d, a, 0, b, true};
  emulatorCore->warpgroup("wgmma_m64n128k16_bf16", &operands, emulatorCore->wgmma->n128Bf16);
}
__device__ __forceinline__ void wgmma_m64n64k16_bf16(float (&d)[32], const unsigned (&a)[4], unsigned long long b) {
  emulator::WgmmaOperands operands = {d, a, 0, b, true};
  emulatorCore->warpgroup("wgmma_m64n64k16_bf16", &operands, emulatorCore->wgmma->n64Bf16);
}
template <typename Integer, int N>
__device__ __forceinline__ void wgmma_pin(Integer (&)[N]) {}
template <int N>
__device__ __forceinline__ void wgmma_pin(float (&)[N]) {}
