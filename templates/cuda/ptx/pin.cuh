#pragma once

// Hides from the compiler what a register holds.
__device__ __forceinline__ void pin(unsigned& x) { asm("" : "+r"(x)); }
