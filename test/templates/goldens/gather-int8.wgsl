@group(0) @binding(0) var<storage, read> table: array<u32>;
fn tableRow(m: u32) -> u32 { return (words[0].y >> 2u) + m * (words[0].z >> 2u); }
fn tableAt(i: u32) -> u32 { return table[i]; }
@group(0) @binding(1) var<storage, read> indices: array<i32>;
fn indicesRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn indicesAt(i: u32) -> i32 { return indices[i]; }
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
@group(0) @binding(3) var<uniform> words: array<vec4<u32>, 2>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 7u) >> 2u][(j + 7u) & 3u]; }
fn half(bits: u32) -> f32 {
  let exponent = (bits >> 10u) & 31u;
  let fraction = bits & 1023u;
  let normal = bitcast<f32>(((exponent + 112u) << 23u) | (fraction << 13u));
  let magnitude = select(normal, f32(fraction) * 5.9604644775390625e-8, exponent == 0u);
  return select(magnitude, -magnitude, (bits & 0x8000u) != 0u);
}
fn wordAt(at: u32) -> u32 {
  let low = table[at >> 2u];
  let shift = (at & 3u) * 8u;
  if (shift == 0u) { return low; }
  return (low >> shift) | (table[(at >> 2u) + 1u] << (32u - shift));
}
fn halfAt(at: u32) -> u32 { return (table[at >> 2u] >> ((at & 3u) * 8u)) & 0xffffu; }

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let count = i32(scalar(0u));
  var index = indices[indicesRow(row)];
  if (index < 0) { index += count; }
  let source = words[0].y + u32(clamp(index, 0, count - 1)) * words[0].z;
  for (var i = lane; i < 96u; i += 64u) {
    let at = source + (i / 32u) * 34u;
    let code = at + 2u + i % 32u;
    let signed = bitcast<i32>(table[code >> 2u] << (24u - (code & 3u) * 8u)) >> 24u;
    out[outRow(row) + i] = half(halfAt(at)) * f32(signed);
  }
}
