#pragma once
#include "matrix.h"

__device__ __forceinline__ void mma_m8n8k16_u8s8(int (&d)[2], unsigned a, unsigned b) {
  emulator::MmaOperands operands = {d, &a, &b};
  emulatorCore->warp("mma_m8n8k16_u8s8", 0xffffffffu, &operands, emulatorCore->mma->m8n8k16U8);
}
__device__ __forceinline__ void mma_m8n8k16_s8s8(int (&d)[2], unsigned a, unsigned b) {
  emulator::MmaOperands operands = {d, &a, &b};
  emulatorCore->warp("mma_m8n8k16_s8s8", 0xffffffffu, &operands, emulatorCore->mma->m8n8k16S8);
}
__device__ __forceinline__ void mma_m16n8k8_f16(float (&d)[4], const unsigned (&a)[2], unsigned b) {
  emulator::MmaOperands operands = {d, a, &b};
  emulatorCore->warp("mma_m16n8k8_f16", 0xffffffffu, &operands, emulatorCore->mma->m16n8k8F16);
}
