// The arithmetic of matrix instructions, and what they read of shared memory.
#include "matrix.h"

#include <cstring>

#include "bits.h"
#include "block.h"

namespace emulator {
namespace {

[[noreturn]] void fail(const char* what) { Block::now->fail(what, LAUNCH_FAILED); }

// mma.sync of sm_80: what each lane holds is in the PTX ISA's "Matrix Fragments for mma". Products and their sum over k
// are exact before they are added to d.
int byteOf(const unsigned* registers, unsigned byte, bool isSigned) {
  const unsigned value = (registers[byte / 4] >> (8 * (byte % 4))) & 0xffu;
  return isSigned ? (int)(signed char)value : (int)value;
}
float bf16Of(const unsigned* registers, unsigned half) {
  return bf16ToFloat(registers[half / 2] >> (16 * (half % 2)));
}

const MmaOperands& mmaLane(void* const* operands, unsigned lane) {
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

void mma16816(void* const* operands) {
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

// mma.sync of sm_75: m8n8k16 of 8-bit integers and m16n8k8 of halves.
template <bool SIGNED_A>
void mma8816(void* const* operands) {
  int a[8][16], b[8][16];
  for (unsigned lane = 0; lane < 32; lane++) {
    const MmaOperands& own = mmaLane(operands, lane);
    for (unsigned i = 0; i < 4; i++) {
      const unsigned byte = (own.a[0] >> (8 * i)) & 0xffu;
      a[lane / 4][lane % 4 * 4 + i] = SIGNED_A ? (int)(signed char)byte : (int)byte;
      b[lane / 4][lane % 4 * 4 + i] = (int)(signed char)(own.b[0] >> (8 * i));
    }
  }
  for (unsigned lane = 0; lane < 32; lane++) {
    int* d = static_cast<int*>(mmaLane(operands, lane).d);
    for (unsigned i = 0; i < 2; i++) {
      int sum = 0;
      for (unsigned k = 0; k < 16; k++) sum += a[lane / 4][k] * b[lane % 4 * 2 + i][k];
      d[i] = (int)((unsigned)d[i] + (unsigned)sum);
    }
  }
}

void mma1688(void* const* operands) {
  float a[16][8], b[8][8];
  for (unsigned lane = 0; lane < 32; lane++) {
    const MmaOperands& own = mmaLane(operands, lane);
    for (unsigned i = 0; i < 2; i++) {
      a[lane / 4 + 8 * i][lane % 4 * 2] = halfToFloat(own.a[i] & 0xffffu);
      a[lane / 4 + 8 * i][lane % 4 * 2 + 1] = halfToFloat(own.a[i] >> 16);
    }
    b[lane / 4][lane % 4 * 2] = halfToFloat(own.b[0] & 0xffffu);
    b[lane / 4][lane % 4 * 2 + 1] = halfToFloat(own.b[0] >> 16);
  }
  for (unsigned lane = 0; lane < 32; lane++) {
    float* d = static_cast<float*>(mmaLane(operands, lane).d);
    for (unsigned i = 0; i < 4; i++) {
      double sum = d[i];
      for (unsigned k = 0; k < 8; k++) sum += (double)a[lane / 4 + i / 2 * 8][k] * b[lane % 4 * 2 + i % 2][k];
      d[i] = (float)sum;
    }
  }
}

// ldmatrix and stmatrix: lane 8i + r gives the address of row r of matrix i (8 rows of 8 16-bit elements); lane l holds
// elements 2(l%4) and 2(l%4)+1 of row l/4, or of the column where the matrix is transposed.
const unsigned short* matrixRow(void* const* operands, unsigned matrix, unsigned row) {
  const void* address = static_cast<const MatrixOperands*>(operands[8 * matrix + row])->row;
  if ((size_t)address % 16 != 0) fail("a matrix row that is not 16-byte aligned");
  if (!Block::now->isShared(address, 16)) fail("a matrix row outside shared memory");
  return static_cast<const unsigned short*>(address);
}

template <unsigned COUNT, bool TRANSPOSED>
void loadMatrices(void* const* operands) {
  for (unsigned matrix = 0; matrix < COUNT; matrix++) {
    unsigned short elements[8][8];
    for (unsigned row = 0; row < 8; row++) __builtin_memcpy(elements[row], matrixRow(operands, matrix, row), 16);
    for (unsigned lane = 0; lane < 32; lane++) {
      const unsigned major = lane / 4, minor = lane % 4 * 2;
      const unsigned low = TRANSPOSED ? elements[minor][major] : elements[major][minor];
      const unsigned high = TRANSPOSED ? elements[minor + 1][major] : elements[major][minor + 1];
      static_cast<const MatrixOperands*>(operands[lane])->registers[matrix] = low | high << 16;
    }
  }
}

template <unsigned COUNT, bool TRANSPOSED>
void storeMatrices(void* const* operands) {
  for (unsigned matrix = 0; matrix < COUNT; matrix++) {
    unsigned short elements[8][8];
    for (unsigned lane = 0; lane < 32; lane++) {
      const unsigned pair = static_cast<const MatrixOperands*>(operands[lane])->registers[matrix];
      const unsigned major = lane / 4, minor = lane % 4 * 2;
      (TRANSPOSED ? elements[minor][major] : elements[major][minor]) = (unsigned short)pair;
      (TRANSPOSED ? elements[minor + 1][major] : elements[major][minor + 1]) = (unsigned short)(pair >> 16);
    }
    for (unsigned row = 0; row < 8; row++)
      __builtin_memcpy(const_cast<unsigned short*>(matrixRow(operands, matrix, row)), elements[row], 16);
  }
}

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

// T: int for u8·s8, float for bf16.
template <typename T, unsigned N, Gather GATHER_B>
void wgmma(void* const* operands) {
  constexpr bool isFloat = (T)0.5 != 0;
  constexpr unsigned depth = isFloat ? 16 : 32;
  const WgmmaOperands first = *static_cast<const WgmmaOperands*>(operands[0]);
  // Products of 8-bit integers and their sums over k are exact in floats.
  float a[64][depth];
  FloatRow b[depth][N / 8];
  T* values = static_cast<T*>(Block::now->wgmmaValues(64 * N * sizeof(T)));

  if (first.a == nullptr) {
    const auto* words = reinterpret_cast<const unsigned*>(Block::now->wgmmaOperand(gatherRows, first.descriptorA, 64, 32));
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
          a[top + i / 4 % 2 * 8][lane % 4 * 4 + i % 4 + i / 8 * 16] = byteOf(own, i, false);
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

const MatrixInstructions MATRIX_INSTRUCTIONS = {
    mma16832<false>,
    mma16832<true>,
    mma16816,
    mma8816<false>,
    mma8816<true>,
    mma1688,
    loadMatrices<1, false>,
    loadMatrices<2, false>,
    loadMatrices<4, false>,
    loadMatrices<2, true>,
    loadMatrices<4, true>,
    storeMatrices<4, true>,
    wgmma<int, 128, gatherRows>,
    wgmma<int, 64, gatherRows>,
    wgmma<float, 128, gatherRows>,
    wgmma<float, 64, gatherRows>,
    wgmma<float, 128, gatherTransposed>,
};

}  // namespace emulator
