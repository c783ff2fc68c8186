#pragma once

// tf32: floats of 10 bits behind the point, in the upper 19 bits of a float (sm_80).

// To nearest, ties away from zero.
__device__ __forceinline__ unsigned cvt_tf32(float x) {
  unsigned y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
}

// Warp-wide d += a·b, k = 8. Lane l, g = l/4, c = l%4; a row-major, b column-major:
//   a0 row g, k = c; a1 row g+8; a2 k + 4; a3 both.  b0 column g, k = c; b1 k + 4
//   d0, d1 row g, columns 2c, 2c+1; d2, d3 row g+8
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
