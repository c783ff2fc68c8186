// As ir/quantize.ts: codes round(x·(127 / peak)) to even, rows of a peak below 2^-100 are 0.
fn significant(peak: f32) -> f32 { return select(peak, 0.0, peak < 7.888609052210118e-31); }
fn inverseScale(peak: f32) -> f32 {
  if (peak == 0.0) { return 0.0; }
  return 127.0 / peak;
}
fn codeOf(x: f32, inverse: f32) -> i32 { return clamp(i32(round(x * inverse)), -127, 127); }
fn packCodes(c: vec4<i32>) -> u32 {
  let b = vec4<u32>(c) & vec4<u32>(0xffu);
  return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}
