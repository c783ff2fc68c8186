#pragma once

// Barriers in shared memory with transaction counts, of sm_90.
__device__ __forceinline__ void mbarrier_init(unsigned long long* bar, unsigned arrivals) {
  emulatorCore->mbarrierInit(bar, arrivals);
}
__device__ __forceinline__ void mbarrier_init_fence() {}
__device__ __forceinline__ void mbarrier_expect(unsigned long long* bar, unsigned bytes) {
  emulatorCore->mbarrierArrive(bar, 1, bytes);
}
__device__ __forceinline__ void mbarrier_arrive(unsigned long long* bar) { emulatorCore->mbarrierArrive(bar, 1, 0); }
__device__ __forceinline__ void mbarrier_wait(unsigned long long* bar, unsigned parity) {
  emulatorCore->mbarrierWait(bar, parity);
}
