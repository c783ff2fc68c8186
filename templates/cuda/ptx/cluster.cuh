#pragma once
#include "cuda/ptx/tma.cuh"

// Blocks of a cluster (sm_90): they run at the same time and reach each other's shared memory, from the first cluster_sync()
// to the last one.

// Which of its cluster's blocks this is.
__device__ __forceinline__ unsigned cluster_rank() {
  unsigned rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// A barrier of all threads of all blocks: what they wrote before it, all see behind it.
__device__ __forceinline__ void cluster_sync() {
  asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
}

// What lies at the same place of another block's shared memory.
template <typename T>
__device__ __forceinline__ T* cluster_map(T* shared, unsigned rank) {
  unsigned long long address;
  asm("mapa.u64 %0, %1, %2;" : "=l"(address) : "l"(shared), "r"(rank));
  return reinterpret_cast<T*>(address);
}

// Arrives at another block's barrier of the same place; who waits for it by cluster_wait sees what this thread wrote.
__device__ __forceinline__ void cluster_arrive(unsigned long long* bar, unsigned rank) {
  asm volatile(
      "{\n"
      ".reg .b32 remote;\n"
      "mapa.shared::cluster.u32 remote, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n"
      "}\n" ::"r"((unsigned)__cvta_generic_to_shared(bar)),
      "r"(rank)
      : "memory");
}

// As mbarrier_wait, for a barrier that other blocks arrive at.
__device__ __forceinline__ void cluster_wait(unsigned long long* bar, unsigned parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}\n" ::"r"((unsigned)__cvta_generic_to_shared(bar)),
      "r"(parity)
      : "memory");
}

// As tma_load_2d, to the same place of every block in `blocks`, a bit for each: the barriers there count the bytes.
__device__ __forceinline__ void tma_load_2d_multicast(void* shared, const TensorMap* map, int column, int row,
                                                      unsigned long long* bar, unsigned blocks) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster"
      " [%0], [%1, {%2, %3}], [%4], %5;" ::"r"((unsigned)__cvta_generic_to_shared(shared)),
      "l"(map), "r"(column), "r"(row), "r"((unsigned)__cvta_generic_to_shared(bar)), "h"((unsigned short)blocks)
      : "memory");
}
