#pragma once
#include "cuda/ptx/ldmatrix.cuh"

template <int N>
__device__ __forceinline__ void setmaxnreg_inc() {
  static_assert(N % 8 == 0 && N >= 24 && N <= 256, "registers come in eights, 24 to 256");
}
template <int N>
__device__ __forceinline__ void setmaxnreg_dec() {
  static_assert(N % 8 == 0 && N >= 24 && N <= 256, "registers come in eights, 24 to 256");
}
__device__ __forceinline__ void fence_proxy_async() { emulatorCore->fenceProxy(); }
__device__ __forceinline__ void named_barrier_sync(unsigned id, unsigned threads) {
  emulatorCore->namedBarrier(id, threads, true);
}
__device__ __forceinline__ void named_barrier_arrive(unsigned id, unsigned threads) {
  emulatorCore->namedBarrier(id, threads, false);
}
__device__ __forceinline__ void stmatrix_x4_trans(void* row, const unsigned (&r)[4]) {
  emulator::matrices("stmatrix_x4_trans", const_cast<unsigned*>(r), row, emulatorCore->matrices->store4Transposed);
}
