#pragma once

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
