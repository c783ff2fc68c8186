#pragma once

// Pairs of IEEE halves, rounded to nearest even (sm_70).

__device__ __forceinline__ unsigned cvt_f16x2(float low, float high) {
  unsigned pair;
  asm("{\n"
      ".reg .f16 low, high;\n"
      "cvt.rn.f16.f32 low, %1;\n"
      "cvt.rn.f16.f32 high, %2;\n"
      "mov.b32 %0, {low, high};\n"
      "}"
      : "=r"(pair)
      : "f"(low), "f"(high));
  return pair;
}

__device__ __forceinline__ float half_low(unsigned pair) {
  float x;
  asm("{\n"
      ".reg .f16 low, high;\n"
      "mov.b32 {low, high}, %1;\n"
      "cvt.f32.f16 %0, low;\n"
      "}"
      : "=f"(x)
      : "r"(pair));
  return x;
}

__device__ __forceinline__ float half_high(unsigned pair) { return half_low(pair >> 16); }
