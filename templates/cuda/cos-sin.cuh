#pragma once

// Cosine and sine of an angle in float, right to an ulp or so for any angle up to 2^31 quarter turns: the angle is
// reduced in double, then minimax polynomials on [-pi/4, pi/4] (Cephes). sincosf would need a stack for large angles.
__device__ __forceinline__ void cosSin(double angle, float& cosine, float& sine) {
  const double turns = rint(angle * 0.63661977236758134);  // quarter turns
  const float r = (float)fma(turns, -6.123233995736766e-17, fma(turns, -1.5707963267948966, angle));
  const float z = r * r;
  const float s = r + r * z * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f));
  const float c = 1.0f - 0.5f * z +
                  z * z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f));
  const int quarter = (int)turns & 3;
  cosine = quarter % 2 == 0 ? c : s;
  sine = quarter % 2 == 0 ? s : c;
  if (quarter == 1 || quarter == 2) cosine = -cosine;
  if (quarter >= 2) sine = -sine;
}
