// (cos a, sin a) to about 1e-7 for |a| < 8192: WGSL promises 2^-11 only. Reduction by multiples of pi/2 in three parts
// (Cody and Waite), then minimax polynomials on [-pi/4, pi/4] (Cephes).
fn cosSin(a: f32) -> vec2<f32> {
  let quarter = round(a * 0.6366197724);
  let r = ((a - quarter * 1.5703125) - quarter * 4.837512969970703125e-4) - quarter * 7.54978995489188216e-8;
  let z = r * r;
  let s = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 + z * -1.9515295891e-4));
  let c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
  switch (i32(quarter) & 3) {
    case 0: { return vec2<f32>(c, s); }
    case 1: { return vec2<f32>(-s, c); }
    case 2: { return vec2<f32>(-c, -s); }
    default: { return vec2<f32>(s, -c); }
  }
}
