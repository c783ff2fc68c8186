#pragma once

// ex2.approx.ftz.f32
__device__ __forceinline__ float exp2_approx(float x) {
  const float y = (float)exp2((double)x);
  return y < 1.17549435e-38f ? 0.0f : y;
}
