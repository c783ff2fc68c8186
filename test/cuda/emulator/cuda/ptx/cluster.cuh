#pragma once
#include "cuda/ptx/tma.cuh"

// Blocks of a cluster, and what they do to each other's shared memory.
__device__ __forceinline__ unsigned cluster_rank() { return emulatorCore->clusterRank(); }
__device__ __forceinline__ void cluster_sync() { emulatorCore->clusterSync(); }

template <typename T>
__device__ __forceinline__ T* cluster_map(T* shared, unsigned rank) {
  return static_cast<T*>(emulatorCore->clusterMap(shared, rank));
}
__device__ __forceinline__ void cluster_arrive(unsigned long long* bar, unsigned rank) {
  emulatorCore->clusterArrive(bar, rank);
}
__device__ __forceinline__ void cluster_wait(unsigned long long* bar, unsigned parity) {
  emulatorCore->mbarrierWait(bar, parity);
}
__device__ __forceinline__ void tma_load_2d_multicast(void* shared, const TensorMap* map, int column, int row,
                                                      unsigned long long* bar, unsigned blocks) {
  const int coordinates[] = {column, row};
  emulatorCore->tmaLoadMulticast(shared, map, coordinates, 2, bar, blocks);
}
