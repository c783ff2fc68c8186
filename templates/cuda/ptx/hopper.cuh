#pragma once

// Roles of warpgroups, and what the tensor cores and the copy engine see of shared memory (sm_90; setmaxnreg sm_90a).

// Registers of this warpgroup's threads from here on: takes some that others gave back, waiting until there are.
template <int N>
__device__ __forceinline__ void setmaxnreg_inc() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}
template <int N>
__device__ __forceinline__ void setmaxnreg_dec() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}

// Publishes this thread's ordinary stores to shared memory for wgmma and bulk copies issued after the next barrier.
__device__ __forceinline__ void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// A barrier of `threads` threads (whole warps); id 0 is that of __syncthreads().
__device__ __forceinline__ void named_barrier_sync(unsigned id, unsigned threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Counts for the barrier without waiting for it.
__device__ __forceinline__ void named_barrier_arrive(unsigned id, unsigned threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// ldmatrix_x4_trans the other way: register i of lane l holds, of matrix i, column l/4 of rows 2(l%4) (low half) and
// 2(l%4)+1; lanes 8i to 8i+7 pass its rows, 8 elements of 16 bits each.
__device__ __forceinline__ void stmatrix_x4_trans(void* row, const unsigned (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(
                   (unsigned)__cvta_generic_to_shared(row)),
               "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
               : "memory");
}
