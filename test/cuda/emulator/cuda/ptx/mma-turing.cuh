#pragma once
#include "cuda/ptx/f16.cuh"

// mma.sync of sm_75: m8n8k16 of 8-bit integers and m16n8k8 of halves.
namespace emulator {

struct TuringOperands {
  void* d;
  unsigned a[2];
  unsigned b;
};

template <bool SIGNED_A>
void mma8816(void* const* operands) {
  int a[8][16], b[8][16];
  for (unsigned lane = 0; lane < 32; lane++) {
    const auto& own = *static_cast<const TuringOperands*>(operands[lane]);
    for (unsigned i = 0; i < 4; i++) {
      const unsigned byte = (own.a[0] >> (8 * i)) & 0xffu;
      a[lane / 4][lane % 4 * 4 + i] = SIGNED_A ? (int)(signed char)byte : (int)byte;
      b[lane / 4][lane % 4 * 4 + i] = (int)(signed char)(own.b >> (8 * i));
    }
  }
  for (unsigned lane = 0; lane < 32; lane++) {
    int* d = static_cast<int*>(static_cast<const TuringOperands*>(operands[lane])->d);
    for (unsigned i = 0; i < 2; i++) {
      int sum = 0;
      for (unsigned k = 0; k < 16; k++) sum += a[lane / 4][k] * b[lane % 4 * 2 + i][k];
      d[i] = (int)((unsigned)d[i] + (unsigned)sum);
    }
  }
}

inline void mma1688(void* const* operands) {
  float a[16][8], b[8][8];
  for (unsigned lane = 0; lane < 32; lane++) {
    const auto& own = *static_cast<const TuringOperands*>(operands[lane]);
    for (unsigned i = 0; i < 2; i++) {
      a[lane / 4 + 8 * i][lane % 4 * 2] = half_low(own.a[i]);
      a[lane / 4 + 8 * i][lane % 4 * 2 + 1] = half_high(own.a[i]);
    }
    b[lane / 4][lane % 4 * 2] = half_low(own.b);
    b[lane / 4][lane % 4 * 2 + 1] = half_high(own.b);
  }
  for (unsigned lane = 0; lane < 32; lane++) {
    float* d = static_cast<float*>(static_cast<const TuringOperands*>(operands[lane])->d);
    for (unsigned i = 0; i < 4; i++) {
      double sum = d[i];
      for (unsigned k = 0; k < 8; k++) sum += (double)a[lane / 4 + i / 2 * 8][k] * b[lane % 4 * 2 + i % 2][k];
      d[i] = (float)sum;
    }
  }
}

}  // namespace emulator

__device__ __forceinline__ void mma_m8n8k16_u8s8(int (&d)[2], unsigned a, unsigned b) {
  emulator::TuringOperands operands = {d, {a, 0}, b};
  emulatorCore->warp("mma_m8n8k16_u8s8", 0xffffffffu, &operands, emulator::mma8816<false>);
}
__device__ __forceinline__ void mma_m8n8k16_s8s8(int (&d)[2], unsigned a, unsigned b) {
  emulator::TuringOperands operands = {d, {a, 0}, b};
  emulatorCore->warp("mma_m8n8k16_s8s8", 0xffffffffu, &operands, emulator::mma8816<true>);
}
__device__ __forceinline__ void mma_m16n8k8_f16(float (&d)[4], const unsigned (&a)[2], unsigned b) {
  emulator::TuringOperands operands = {d, {a[0], a[1]}, b};
  emulatorCore->warp("mma_m16n8k8_f16", 0xffffffffu, &operands, emulator::mma1688);
}
