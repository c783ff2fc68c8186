#pragma once

// Bit casts and small floats, for kernels and for what the driver computes in their place.
namespace emulator {

template <typename To, typename From>
inline To bits(From x) {
  static_assert(sizeof(To) == sizeof(From), "a bit cast keeps the size");
  To to;
  __builtin_memcpy(&to, &x, sizeof(To));
  return to;
}

inline float bf16ToFloat(unsigned bits16) { return bits<float>(bits16 << 16); }

inline float halfToFloat(unsigned bits16) {
  const unsigned exponent = (bits16 >> 10) & 0x1fu;
  const unsigned fraction = bits16 & 0x3ffu;
  const unsigned sign = (bits16 & 0x8000u) << 16;
  if (exponent == 31) return bits<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent == 0) return (sign != 0 ? -1.0f : 1.0f) * (float)fraction * 5.9604644775390625e-8f;
  return bits<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

// Elements of registers.
inline int byteOf(const unsigned* registers, unsigned byte, bool isSigned) {
  const unsigned value = (registers[byte / 4] >> (8 * (byte % 4))) & 0xffu;
  return isSigned ? (int)(signed char)value : (int)value;
}
inline float bf16Of(const unsigned* registers, unsigned half) {
  return bf16ToFloat(registers[half / 2] >> (16 * (half % 2)));
}

// Eight columns, and four: what a register of AVX holds. Of wider vectors g++ keeps the halves in memory.
typedef float FloatRow __attribute__((vector_size(32)));
typedef double DoubleHalf __attribute__((vector_size(32)));

}  // namespace emulator
