#pragma once

// mma.sync of sm_80: what each lane holds is in the PTX ISA's "Matrix Fragments for mma". Products and their sum over k
// are exact before they are added to d.
namespace emulator {

// Registers of one lane; d is int or float.
struct MmaOperands {
  void* d;
  const unsigned* a;
  const unsigned* b;
};

inline int byteOf(const unsigned* registers, unsigned byte, bool isSigned) {
  const unsigned value = (registers[byte / 4] >> (8 * (byte % 4))) & 0xffu;
  return isSigned ? (int)(signed char)value : (int)value;
}
inline float bf16Of(const unsigned* registers, unsigned half) {
  return __uint_as_float((registers[half / 2] >> (16 * (half % 2))) << 16);
}

inline const MmaOperands& mmaLane(void* const* operands, unsigned lane) {
  return *static_cast<const MmaOperands*>(operands[lane]);
}

template <bool SIGNED_A>
void mma16832(void* const* operands) {
  short a[16][32], b[8][32];
  for (unsigned lane = 0; lane < 32; lane++) {
    const MmaOperands& own = mmaLane(operands, lane);
    for (unsigned i = 0; i < 16; i++) {
      const unsigned row = lane / 4 + (i / 4 % 2) * 8;
      const unsigned k = lane % 4 * 4 + i % 4 + i / 8 * 16;
      a[row][k] = (short)byteOf(own.a, i, SIGNED_A);
    }
    for (unsigned i = 0; i < 8; i++) b[lane / 4][lane % 4 * 4 + i % 4 + i / 4 * 16] = (short)byteOf(own.b, i, true);
  }
  for (unsigned lane = 0; lane < 32; lane++) {
    int* d = static_cast<int*>(mmaLane(operands, lane).d);
    for (unsigned i = 0; i < 4; i++) {
      const unsigned row = lane / 4 + i / 2 * 8;
      const unsigned column = lane % 4 * 2 + i % 2;
      int sum = 0;
      for (unsigned k = 0; k < 32; k++) sum += a[row][k] * b[column][k];
      d[i] = (int)((unsigned)d[i] + (unsigned)sum);
    }
  }
}

inline void mma16816(void* const* operands) {
  float a[16][16], b[8][16];
  for (unsigned lane = 0; lane < 32; lane++) {
    const MmaOperands& own = mmaLane(operands, lane);
    for (unsigned i = 0; i < 8; i++) a[lane / 4 + i / 2 % 2 * 8][lane % 4 * 2 + i % 2 + i / 4 * 8] = bf16Of(own.a, i);
    for (unsigned i = 0; i < 4; i++) b[lane / 4][lane % 4 * 2 + i % 2 + i / 2 * 8] = bf16Of(own.b, i);
  }
  for (unsigned lane = 0; lane < 32; lane++) {
    float* d = static_cast<float*>(mmaLane(operands, lane).d);
    for (unsigned i = 0; i < 4; i++) {
      const unsigned row = lane / 4 + i / 2 * 8;
      const unsigned column = lane % 4 * 2 + i % 2;
      double sum = d[i];
      for (unsigned k = 0; k < 16; k++) sum += (double)a[row][k] * b[column][k];
      d[i] = (float)sum;
    }
  }
}

}  // namespace emulator

__device__ __forceinline__ void mma_m16n8k32_u8s8(int (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emulator::MmaOperands operands = {d, a, b};
  emulatorCore->warp("mma_m16n8k32_u8s8", 0xffffffffu, &operands, emulator::mma16832<false>);
}
__device__ __forceinline__ void mma_m16n8k32_s8s8(int (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emulator::MmaOperands operands = {d, a, b};
  emulatorCore->warp("mma_m16n8k32_s8s8", 0xffffffffu, &operands, emulator::mma16832<true>);
}
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emulator::MmaOperands operands = {d, a, b};
  emulatorCore->warp("mma_m16n8k16_bf16", 0xffffffffu, &operands, emulator::mma16816);
}
