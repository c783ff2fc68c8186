#pragma once

__device__ __forceinline__ float activate_none(float x) { return x; }

// x·sigmoid(x); at large negative x the exponential is infinite and the quotient 0.
__device__ __forceinline__ float activate_silu(float x) { return x / (1.0f + expf(-x)); }

// x/2·(1 + tanh(u)) = x / (1 + e^(−2u)), u = sqrt(2/pi)·(x + 0.044715·x³): no cancellation at negative x.
__device__ __forceinline__ float activate_gelu_tanh(float x) {
  const float u = 0.7978845608f * (x + 0.044715f * x * x * x);
  return x / (1.0f + expf(-2.0f * u));
}

__device__ __forceinline__ float activate_gelu_erf(float x) { return 0.5f * x * (1.0f + erff(x * 0.7071067812f)); }
