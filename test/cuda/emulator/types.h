#pragma once

// CUDA's vector types with their sizes and alignments, and the make functions.
#define EMULATOR_VECTOR2(T, name, bytes) \
  struct alignas(bytes) name {           \
    T x, y;                              \
  };                                     \
  inline name make_##name(T x, T y) { return name{x, y}; }
#define EMULATOR_VECTOR3(T, name) \
  struct name {                   \
    T x, y, z;                    \
  };                              \
  inline name make_##name(T x, T y, T z) { return name{x, y, z}; }
#define EMULATOR_VECTOR4(T, name, bytes) \
  struct alignas(bytes) name {           \
    T x, y, z, w;                        \
  };                                     \
  inline name make_##name(T x, T y, T z, T w) { return name{x, y, z, w}; }

EMULATOR_VECTOR2(signed char, char2, 2)
EMULATOR_VECTOR4(signed char, char4, 4)
EMULATOR_VECTOR2(unsigned char, uchar2, 2)
EMULATOR_VECTOR4(unsigned char, uchar4, 4)
EMULATOR_VECTOR2(short, short2, 4)
EMULATOR_VECTOR4(short, short4, 8)
EMULATOR_VECTOR2(unsigned short, ushort2, 4)
EMULATOR_VECTOR4(unsigned short, ushort4, 8)
EMULATOR_VECTOR2(int, int2, 8)
EMULATOR_VECTOR3(int, int3)
EMULATOR_VECTOR4(int, int4, 16)
EMULATOR_VECTOR2(unsigned, uint2, 8)
EMULATOR_VECTOR3(unsigned, uint3)
EMULATOR_VECTOR4(unsigned, uint4, 16)
EMULATOR_VECTOR2(float, float2, 8)
EMULATOR_VECTOR3(float, float3)
EMULATOR_VECTOR4(float, float4, 16)
EMULATOR_VECTOR2(double, double2, 16)
EMULATOR_VECTOR2(long long, longlong2, 16)
EMULATOR_VECTOR2(unsigned long long, ulonglong2, 16)

struct dim3 {
  unsigned x, y, z;
};

#undef EMULATOR_VECTOR2
#undef EMULATOR_VECTOR3
#undef EMULATOR_VECTOR4

using size_t = decltype(sizeof(0));
