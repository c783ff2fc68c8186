#pragma once

// The bulk copy engine (sm_90). One thread issues a copy; sizes and addresses are multiples of 16 bytes.

// As cuTensorMapEncodeTiled fills it.
struct TensorMap {
  alignas(64) unsigned char bytes[128];
};

__device__ __forceinline__ void tma_prefetch(const TensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// The map's box whose first element is at (column, row), to `shared` (aligned to 1024 bytes where the map swizzles).
// The barrier counts the bytes of a whole box, also where parts lie outside and become zeros.
__device__ __forceinline__ void tma_load_2d(void* shared, const TensorMap* map, int column, int row,
                                            unsigned long long* bar) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
          (unsigned)__cvta_generic_to_shared(shared)),
      "l"(map), "r"(column), "r"(row), "r"((unsigned)__cvta_generic_to_shared(bar))
      : "memory");
}

// `bytes` consecutive ones from device memory.
__device__ __forceinline__ void bulk_load(void* shared, const void* global, unsigned bytes, unsigned long long* bar) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   (unsigned)__cvta_generic_to_shared(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(bytes), "r"((unsigned)__cvta_generic_to_shared(bar))
               : "memory");
}

// Stores read what fence_proxy_async() published before. What lies outside of the map is left alone.
__device__ __forceinline__ void tma_store_2d(const TensorMap* map, const void* shared, int column, int row) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];" ::"l"(map),
               "r"(column), "r"(row), "r"((unsigned)__cvta_generic_to_shared(shared))
               : "memory");
}

// `bytes` consecutive ones to device memory.
__device__ __forceinline__ void bulk_store(void* global, const void* shared, unsigned bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(__cvta_generic_to_global(global)),
               "r"((unsigned)__cvta_generic_to_shared(shared)), "r"(bytes)
               : "memory");
}

// Ends a group: the stores of this thread since the last one, possibly none.
__device__ __forceinline__ void tma_store_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

// Waits until at most the N newest groups of this thread are under way.
template <int N>
__device__ __forceinline__ void tma_store_wait() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(N) : "memory");
}

// Waits until at most the N newest groups of this thread still read shared memory.
template <int N>
__device__ __forceinline__ void tma_store_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(N) : "memory");
}
