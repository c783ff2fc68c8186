// The arithmetic of mma.sync.
#include "bits.h"
#include "block.h"
#include "matrix.h"

namespace emulator {
namespace {

const MmaOperands& mmaLane(void* const* operands, unsigned lane) {
  return *static_cast<const MmaOperands*>(operands[lane]);
}

// Adds to d what `sums` has for its rows; lane l has columns 2(l % 4) and the next of rows l / 4 and l / 4 + 8.
template <typename T, typename Row, typename Add>
void addRows(void* const* operands, const Row* sums, Add add) {
  for (unsigned lane = 0; lane < 32; lane++) {
    T* d = static_cast<T*>(mmaLane(operands, lane).d);
    const unsigned column = lane % 4 * 2;
    for (unsigned i = 0; i < 4; i++) d[i] = add(d[i], sums[lane / 4 + i / 2 * 8][column + i % 2]);
  }
}

// mma.sync of sm_80: what each lane holds is in the PTX ISA's "Matrix Fragments for mma". Products and their sum over k
// are exact before they are added to d.
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

DoubleHalf& halfAt(double* at) { return *reinterpret_cast<DoubleHalf*>(at); }

void mma16816(void* const* operands) {
  double a[16][16];
  alignas(DoubleHalf) double b[16][8], sums[16][8];
  for (unsigned lane = 0; lane < 32; lane++) {
    const MmaOperands& own = mmaLane(operands, lane);
    for (unsigned i = 0; i < 8; i++) a[lane / 4 + i / 2 % 2 * 8][lane % 4 * 2 + i % 2 + i / 4 * 8] = bf16Of(own.a, i);
    for (unsigned i = 0; i < 4; i++) b[lane % 4 * 2 + i % 2 + i / 2 * 8][lane / 4] = bf16Of(own.b, i);
    const float* d = static_cast<const float*>(own.d);
    for (unsigned i = 0; i < 4; i++) sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2] = d[i];
  }
  for (unsigned row = 0; row < 16; row++)
    for (unsigned column = 0; column < 8; column += 4) {
      DoubleHalf sum = halfAt(&sums[row][column]);
      for (unsigned k = 0; k < 16; k++) sum += a[row][k] * halfAt(&b[k][column]);
      halfAt(&sums[row][column]) = sum;
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

// m16n8k8 of tf32, which are the upper 19 bits of what is passed.
void mma1688Tf32(void* const* operands) {
  const auto valueOf = [](unsigned from) { return (double)bits<float>(from & 0xffffe000u); };
  double a[16][8], b[8][8];
  for (unsigned lane = 0; lane < 32; lane++) {
    const MmaOperands& own = mmaLane(operands, lane);
    for (unsigned i = 0; i < 4; i++) a[lane / 4 + i % 2 * 8][lane % 4 + i / 2 * 4] = valueOf(own.a[i]);
    for (unsigned i = 0; i < 2; i++) b[lane / 4][lane % 4 + i * 4] = valueOf(own.b[i]);
  }
  for (unsigned lane = 0; lane < 32; lane++) {
    float* d = static_cast<float*>(mmaLane(operands, lane).d);
    for (unsigned i = 0; i < 4; i++) {
      double sum = d[i];
      for (unsigned k = 0; k < 8; k++) sum += a[lane / 4 + i / 2 * 8][k] * b[lane % 4 * 2 + i % 2][k];
      d[i] = (float)sum;
    }
  }
}

}  // namespace

const MmaInstructions MMA = {
    mma16832<false>, mma16832<true>, mma16816, mma8816<false>, mma8816<true>, mma1688, mma1688Tf32,
};

}  // namespace emulator
