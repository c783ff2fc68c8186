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

// A row of d, which has 8 columns.
typedef float FloatRow __attribute__((vector_size(32)));
typedef double DoubleRow __attribute__((vector_size(64)));

// Adds to d what `sums` has for its rows; lane l has columns 2(l % 4) and the next of rows l / 4 and l / 4 + 8.
template <typename T, typename Row, typename Add>
void addRows(void* const* operands, const Row* sums, Add add) {
  for (unsigned lane = 0; lane < 32; lane++) {
    T* d = static_cast<T*>(mmaLane(operands, lane).d);
    const unsigned column = lane % 4 * 2;
    for (unsigned i = 0; i < 4; i++) d[i] = add(d[i], sums[lane / 4 + i / 2 * 8][column + i % 2]);
  }
}

template <bool SIGNED_A>
void mma16832(void* const* operands) {
  float a[16][32];
  FloatRow b[32];
  for (unsigned lane = 0; lane < 32; lane++) {
    const MmaOperands& own = mmaLane(operands, lane);
    for (unsigned i = 0; i < 16; i++)
      a[lane / 4 + i / 4 % 2 * 8][lane % 4 * 4 + i % 4 + i / 8 * 16] = byteOf(own.a, i, SIGNED_A);
    for (unsigned i = 0; i < 8; i++) b[lane % 4 * 4 + i % 4 + i / 4 * 16][lane / 4] = byteOf(own.b, i, true);
  }
  // Sums of 32 products of 8-bit integers are exact in floats.
  FloatRow sums[16];
  for (unsigned row = 0; row < 16; row++) {
    const float* from = a[row];
    FloatRow sum = {};
    for (unsigned k = 0; k < 32; k++) sum += from[k] * b[k];
    sums[row] = sum;
  }
  addRows<int>(operands, sums, [](int d, float sum) { return (int)((unsigned)d + (unsigned)(int)sum); });
}

inline void mma16816(void* const* operands) {
  double a[16][16];
  DoubleRow b[16];
  DoubleRow sums[16];
  for (unsigned lane = 0; lane < 32; lane++) {
    const MmaOperands& own = mmaLane(operands, lane);
    for (unsigned i = 0; i < 8; i++) a[lane / 4 + i / 2 % 2 * 8][lane % 4 * 2 + i % 2 + i / 4 * 8] = bf16Of(own.a, i);
    for (unsigned i = 0; i < 4; i++) b[lane % 4 * 2 + i % 2 + i / 2 * 8][lane / 4] = bf16Of(own.b, i);
    const float* d = static_cast<const float*>(own.d);
    for (unsigned i = 0; i < 4; i++) sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2] = d[i];
  }
  for (unsigned row = 0; row < 16; row++) {
    const double* from = a[row];
    DoubleRow sum = sums[row];
    for (unsigned k = 0; k < 16; k++) sum += from[k] * b[k];
    sums[row] = sum;
  }
  addRows<float>(operands, sums, [](float, double sum) { return (float)sum; });
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
