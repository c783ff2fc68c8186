#pragma once

// cp.async of sm_80. When the bytes arrive depends on the launch's schedule: at once, or not before they are waited
// for.
__device__ __forceinline__ void cp_async_16(void* shared, const void* global, bool inside) {
  emulatorCore->copyAsync(shared, global, 16, inside ? 16 : 0);
}
__device__ __forceinline__ void cp_async_commit() { emulatorCore->copyCommit(); }
template <int N>
__device__ __forceinline__ void cp_async_wait() {
  emulatorCore->copyWait(N);
}
