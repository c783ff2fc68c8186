#pragma once

// Copies of the tensor memory accelerator. Loads arrive when everything else waits, or at once, by the schedule.
struct TensorMap {
  alignas(64) unsigned char bytes[128];
};

__device__ __forceinline__ void tma_load_2d(void* shared, const TensorMap* map, int column, int row,
                                            unsigned long long* bar) {
  const int coordinates[] = {column, row};
  emulatorCore->tmaLoad(shared, map, coordinates, 2, bar);
}
__device__ __forceinline__ void tma_store_2d(const TensorMap* map, const void* shared, int column, int row) {
  const int coordinates[] = {column, row};
  emulatorCore->tmaStore(map, shared, coordinates, 2);
}
__device__ __forceinline__ void bulk_load(void* shared, const void* global, unsigned bytes, unsigned long long* bar) {
  emulatorCore->bulkLoad(shared, global, bytes, bar);
}
__device__ __forceinline__ void bulk_store(void* global, const void* shared, unsigned bytes) {
  emulatorCore->bulkStore(global, shared, bytes);
}
__device__ __forceinline__ void tma_store_commit() { emulatorCore->storeCommit(); }
template <int N>
__device__ __forceinline__ void tma_store_wait() {
  emulatorCore->storeWait(N);
}
template <int N>
__device__ __forceinline__ void tma_store_wait_read() {
  emulatorCore->storeWait(N);
}
__device__ __forceinline__ void tma_prefetch(const TensorMap*) {}
