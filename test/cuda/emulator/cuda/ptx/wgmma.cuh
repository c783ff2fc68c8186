#pragma once
#include "cuda/ptx/mma.cuh"

// wgmma: the d += a·b of a warpgroup. Operands in shared memory are read when the instruction is issued and must be the
// same when it is waited for; d gets its values at that wait.
namespace emulator {

// Bits of a descriptor as the hardware has them; the address counts from the start of dynamic shared memory.
inline unsigned long long descriptor(const void* shared, unsigned leadingBytes, unsigned strideBytes) {
  const unsigned long long address =
      (unsigned long long)(static_cast<const unsigned char*>(shared) - emulatorThread->shared);
  if (address >= 1u << 18) emulatorCore->fail("a wgmma descriptor of what is not dynamic shared memory");
  return ((address & 0x3ffffull) >> 4) | (unsigned long long)(leadingBytes >> 4 & 0x3fffu) << 16 |
         (unsigned long long)(strideBytes >> 4 & 0x3fffu) << 32 | 1ull << 62;
}

// The byte at an unswizzled offset from a descriptor's start.
inline const unsigned char* swizzledByte(unsigned long long descriptor, unsigned offset) {
  unsigned address = (unsigned)(descriptor & 0x3fffu) * 16 + offset;
  address ^= (address >> 3) & 0x70u;
  return emulatorThread->shared + address;
}
inline void checkDescriptor(unsigned long long descriptor) {
  if (descriptor >> 62 != 1) emulatorCore->fail("a wgmma descriptor without the 128-byte swizzle");
  if ((descriptor >> 49 & 7) != 0) emulatorCore->fail("a wgmma descriptor with a base offset");
}

// Rows of 32 bytes along k, eight rows after eight rows of `stride`.
inline void gatherRows(unsigned long long descriptor, unsigned rows, unsigned char* to) {
  checkDescriptor(descriptor);
  const unsigned stride = (unsigned)(descriptor >> 32 & 0x3fffu) * 16;
  for (unsigned row = 0; row < rows; row++)
    for (unsigned chunk = 0; chunk < 2; chunk++) {
      const unsigned char* from = swizzledByte(descriptor, row / 8 * stride + row % 8 * 128 + 16 * chunk);
      emulatorCore->asyncRead(from, 16);
      __builtin_memcpy(to + row * 32 + 16 * chunk, from, 16);
    }
}

// 16-bit elements stored with the rows of b along memory, 64 to a line; 64 more `leading` bytes later, and k in groups
// of eight lines of `stride` bytes. To `rows` rows of 16 elements along k.
inline void gatherTransposed(unsigned long long descriptor, unsigned rows, unsigned char* to) {
  checkDescriptor(descriptor);
  const unsigned leading = (unsigned)(descriptor >> 16 & 0x3fffu) * 16;
  const unsigned stride = (unsigned)(descriptor >> 32 & 0x3fffu) * 16;
  for (unsigned k = 0; k < 16; k++)
    for (unsigned row = 0; row < rows; row++) {
      const unsigned char* from =
          swizzledByte(descriptor, row / 64 * leading + k / 8 * stride + k % 8 * 128 + row % 64 * 2);
      emulatorCore->asyncRead(from, 2);
      __builtin_memcpy(to + row * 32 + k * 2, from, 2);
    }
}

struct WgmmaOperands {
  void* d;
  const unsigned* a;  // null: in shared memory
  unsigned long long descriptorA, descriptorB;
  bool accumulate;
};

// T: int for u8·s8, float for bf16.
template <typename T, unsigned N, Gather GATHER_B>
void wgmma(void* const* operands) {
  constexpr bool isFloat = (T)0.5 != 0;
  constexpr unsigned depth = isFloat ? 16 : 32;
  const WgmmaOperands first = *static_cast<const WgmmaOperands*>(operands[0]);
  // Products of 8-bit integers and their sums over k are exact in floats.
  float a[64][depth];
  FloatRow b[depth][N / 8];
  T* values = static_cast<T*>(emulatorCore->wgmmaValues(64 * N * sizeof(T)));

  unsigned char bytes[(N > 64 ? N : 64) * 32];
  if (first.a == nullptr) {
    emulatorCore->wgmmaOperand(gatherRows, first.descriptorA, 64, 32);
    gatherRows(first.descriptorA, 64, bytes);
    for (unsigned row = 0; row < 64; row++)
      for (unsigned k = 0; k < depth; k++) a[row][k] = bf16Of(reinterpret_cast<const unsigned*>(bytes) + row * 8, k);
  } else {
    for (unsigned thread = 0; thread < 128; thread++) {
      const unsigned* own = static_cast<const WgmmaOperands*>(operands[thread])->a;
      const unsigned lane = thread % 32, top = thread / 32 * 16 + lane / 4;
      for (unsigned i = 0; i < depth / 2; i++) {
        if (isFloat)
          a[top + i / 2 % 2 * 8][lane % 4 * 2 + i % 2 + i / 4 * 8] = bf16Of(own, i);
        else
          a[top + i / 4 % 2 * 8][lane % 4 * 4 + i % 4 + i / 8 * 16] = byteOf(own, i, false);
      }
    }
  }
  emulatorCore->wgmmaOperand(GATHER_B, first.descriptorB, N, 32);
  GATHER_B(first.descriptorB, N, bytes);
  for (unsigned column = 0; column < N; column++)
    for (unsigned k = 0; k < depth; k++) {
      float& to = reinterpret_cast<float*>(b[k])[column];
      if (isFloat)
        to = bf16Of(reinterpret_cast<const unsigned*>(bytes) + column * 8, k);
      else
        to = (signed char)bytes[column * 32 + k];
    }
  FloatRow sums[64][N / 8];
  for (unsigned row = 0; row < 64; row++)
    for (unsigned eight = 0; eight < N / 8; eight++) {
      FloatRow sum = {};
      for (unsigned k = 0; k < depth; k++) sum += a[row][k] * b[k][eight];
      sums[row][eight] = sum;
    }

  for (unsigned thread = 0; thread < 128; thread++) {
    const WgmmaOperands& own = *static_cast<const WgmmaOperands*>(operands[thread]);
    if (own.descriptorB != first.descriptorB || own.descriptorA != first.descriptorA ||
        own.accumulate != first.accumulate)
      emulatorCore->fail("the threads of a warpgroup pass different wgmma descriptors");
    const unsigned lane = thread % 32;
    for (unsigned i = 0; i < N / 2; i++) {
      const FloatRow* row = sums[thread / 32 * 16 + lane / 4 + i / 2 % 2 * 8];
      values[thread * (N / 2) + i] = (T)row[i / 4][lane % 4 * 2 + i % 2];
    }
    emulatorCore->wgmmaResult(thread, LateResult{own.d, values + thread * (N / 2), N / 2, isFloat, !own.accumulate});
  }
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
  emulatorCore->warpgroup("wgmma_m64n128k32_u8s8", &operands, emulator::wgmma<int, 128, emulator::gatherRows>);
}
__device__ __forceinline__ void wgmma_m64n64k32_u8s8(int (&d)[32], const unsigned (&a)[4], unsigned long long b) {
  emulator::WgmmaOperands operands = {d, a, 0, b, true};
  emulatorCore->warpgroup("wgmma_m64n64k32_u8s8", &operands, emulator::wgmma<int, 64, emulator::gatherRows>);
}
__device__ __forceinline__ void wgmma_m64n128k16_bf16(float (&d)[64], const unsigned (&a)[4], unsigned long long b) {
  emulator::WgmmaOperands operands = {d, a, 0, b, true};
  emulatorCore->warpgroup("wgmma_m64n128k16_bf16", &operands, emulator::wgmma<float, 128, emulator::gatherRows>);
}
__device__ __forceinline__ void wgmma_m64n64k16_bf16(float (&d)[32], const unsigned (&a)[4], unsigned long long b) {
  emulator::WgmmaOperands operands = {d, a, 0, b, true};
  emulatorCore->warpgroup("wgmma_m64n64k16_bf16", &operands, emulator::wgmma<float, 64, emulator::gatherRows>);
}
template <typename Integer, int N>
__device__ __forceinline__ void wgmma_pin(Integer (&)[N]) {}
template <int N>
__device__ __forceinline__ void wgmma_pin(float (&)[N]) {}
