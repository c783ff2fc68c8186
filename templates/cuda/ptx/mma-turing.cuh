#pragma once

// Warp-wide d += a·b (sm_75). Lane l, g = l/4, c = l%4; a row-major, b column-major:
//   8-bit, 8x8, k = 16:  a row g, k = 4c..4c+3.  b column g, k = 4c..4c+3.  d0, d1 row g, columns 2c, 2c+1
//   f16, 16x8, k = 8:    a0 row g, k = 2c, 2c+1; a1 row g+8.  b column g, k = 2c, 2c+1.  d0, d1 row g; d2, d3 row g+8

__device__ __forceinline__ void mma_m8n8k16_u8s8(int (&d)[2], unsigned a, unsigned b) {
  asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
               : "+r"(d[0]), "+r"(d[1])
               : "r"(a), "r"(b));
}

__device__ __forceinline__ void mma_m8n8k16_s8s8(int (&d)[2], unsigned a, unsigned b) {
  asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
               : "+r"(d[0]), "+r"(d[1])
               : "r"(a), "r"(b));
}

__device__ __forceinline__ void mma_m16n8k8_f16(float (&d)[4], const unsigned (&a)[2], unsigned b) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(b));
}
