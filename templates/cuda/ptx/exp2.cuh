#pragma once

// 2^x to about 2 units in the last place, in one instruction; denormal results are 0. sm_70
__device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
