#pragma once

// The fast exponential and division: a few units in the last place, and epilogues are as long as their instructions.
// A quotient by something beyond 2^126 is 0, which is right here.

__device__ __forceinline__ float activate_none(float x) { return x; }

__device__ __forceinline__ float activate_silu(float x) { return __fdividef(x, 1.0f + __expf(-x)); }

// x/2·(1 + tanh(u)) = x / (1 + e^(−2u)), u = sqrt(2/pi)·(x + 0.044715·x³): no cancellation at negative x.
__device__ __forceinline__ float activate_gelu_tanh(float x) {
  return __fdividef(x, 1.0f + __expf(-1.5957691216f * (x + 0.044715f * x * x * x)));
}

__device__ __forceinline__ float activate_gelu_erf(float x) { return 0.5f * x * (1.0f + erff(x * 0.7071067812f)); }
