#pragma once
#include "matrix.h"

__device__ __forceinline__ void mma_m16n8k32_u8s8(int (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emulator::MmaOperands operands = {d, a, b};
  emulatorCore->warp("mma_m16n8k32_u8s8", 0xffffffffu, &operands, emulatorCore->mma->m16n8k32U8);
}
__device__ __forceinline__ void mma_m16n8k32_s8s8(int (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emulator::MmaOperands operands = {d, a, b};
  emulatorCore->warp("mma_m16n8k32_s8s8", 0xffffffffu, &operands, emulatorCore->mma->m16n8k32S8);
}
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emulator::MmaOperands operands = {d, a, b};
  emulatorCore->warp("mma_m16n8k16_bf16", 0xffffffffu, &operands, emulatorCore->mma->m16n8k16Bf16);
}
