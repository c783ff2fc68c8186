// The arithmetic of wgmma, and what it reads of shared memory.
#include "bits.h"
#include "block.h"
#include "matrix.h"

namespace emulator {
namespace {

[[noreturn]] void fail(const char* what) { Block::now->fail(what, LAUNCH_FAILED); }

// wgmma: the d += a·b of a warpgroup. Operands in shared memory are read when the instruction is issued and must be the
// same when it is waited for; d gets its values at that wait.
// The byte at an unswizzled offset from a descriptor's start.
const unsigned char* swizzledByte(unsigned long long descriptor, unsigned offset) {
  unsigned address = (unsigned)(descriptor & 0x3fffu) * 16 + offset;
  address ^= (address >> 3) & 0x70u;
  return Block::now->current().thread.shared + address;
}
void checkDescriptor(unsigned long long descriptor) {
  if (descriptor >> 62 != 1) fail("a wgmma descriptor without the 128-byte swizzle");
  if ((descriptor >> 49 & 7) != 0) fail("a wgmma descriptor with a base offset");
}

// Rows of 32 bytes along k, eight rows after eight rows of `stride`.
void gatherRows(unsigned long long descriptor, unsigned rows, unsigned char* to) {
  checkDescriptor(descriptor);
  const unsigned stride = (unsigned)(descriptor >> 32 & 0x3fffu) * 16;
  for (unsigned row = 0; row < rows; row++)
    for (unsigned chunk = 0; chunk < 2; chunk++) {
      const unsigned char* from = swizzledByte(descriptor, row / 8 * stride + row % 8 * 128 + 16 * chunk);
      Block::now->asyncRead(from, 16);
      __builtin_memcpy(to + row * 32 + 16 * chunk, from, 16);
    }
}

// 16-bit elements stored with the rows of b along memory, 64 to a line; 64 more `leading` bytes later, and k in groups
// of eight lines of `stride` bytes. To `rows` rows of 16 elements along k.
void gatherTransposed(unsigned long long descriptor, unsigned rows, unsigned char* to) {
  checkDescriptor(descriptor);
  const unsigned leading = (unsigned)(descriptor >> 16 & 0x3fffu) * 16;
  const unsigned stride = (unsigned)(descriptor >> 32 & 0x3fffu) * 16;
  for (unsigned k = 0; k < 16; k++)
    for (unsigned row = 0; row < rows; row++) {
      const unsigned char* from =
          swizzledByte(descriptor, row / 64 * leading + k / 8 * stride + k % 8 * 128 + row % 64 * 2);
      Block::now->asyncRead(from, 2);
      __builtin_memcpy(to + row * 32 + k * 2, from, 2);
    }
}

// T: int for bytes times s8, float for bf16. SIGNED: whether a's bytes are.
template <typename T, unsigned N, Gather GATHER_B, bool SIGNED = false>
void wgmma(void* const* operands) {
  constexpr bool isFloat = (T)0.5 != 0;
  constexpr unsigned depth = isFloat ? 16 : 32;
  const WgmmaOperands first = *static_cast<const WgmmaOperands*>(operands[0]);
  // Products of 8-bit integers and their sums over k are exact in floats.
  float a[64][depth];
  FloatRow b[depth][N / 8];
  T* values = static_cast<T*>(Block::now->wgmmaValues(64 * N * sizeof(T)));

  if (first.a == nullptr) {
    const unsigned char* bytes = Block::now->wgmmaOperand(gatherRows, first.descriptorA, 64, 32);
    const auto* words = reinterpret_cast<const unsigned*>(bytes);
    for (unsigned row = 0; row < 64; row++)
      for (unsigned k = 0; k < depth; k++) a[row][k] = bf16Of(words + row * 8, k);
  } else {
    for (unsigned thread = 0; thread < 128; thread++) {
      const unsigned* own = static_cast<const WgmmaOperands*>(operands[thread])->a;
      const unsigned lane = thread % 32, top = thread / 32 * 16 + lane / 4;
      for (unsigned i = 0; i < depth / 2; i++) {
        if (isFloat)
          a[top + i / 2 % 2 * 8][lane % 4 * 2 + i % 2 + i / 4 * 8] = bf16Of(own, i);
        else
          a[top + i / 4 % 2 * 8][lane % 4 * 4 + i % 4 + i / 8 * 16] = byteOf(own, i, SIGNED);
      }
    }
  }
  const unsigned char* bytes = Block::now->wgmmaOperand(GATHER_B, first.descriptorB, N, 32);
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
      fail("the threads of a warpgroup pass different wgmma descriptors");
    const unsigned lane = thread % 32;
    for (unsigned i = 0; i < N / 2; i++) {
      const FloatRow* row = sums[thread / 32 * 16 + lane / 4 + i / 2 % 2 * 8];
      values[thread * (N / 2) + i] = (T)row[i / 4][lane % 4 * 2 + i % 2];
    }
    Block::now->wgmmaResult(thread, LateResult{own.d, values + thread * (N / 2), N / 2, isFloat, !own.accumulate});
  }
}

}  // namespace

const WgmmaInstructions WGMMA = {
    wgmma<int, 128, gatherRows>,       wgmma<int, 64, gatherRows>,
    wgmma<int, 128, gatherRows, true>, wgmma<int, 64, gatherRows, true>,
    wgmma<float, 128, gatherRows>,     wgmma<float, 64, gatherRows>,
    wgmma<float, 128, gatherTransposed>,
};

}  // namespace emulator
