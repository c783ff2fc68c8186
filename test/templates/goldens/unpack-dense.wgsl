@group(0) @binding(0) var<storage, read> source: array<u32>;
fn sourceRow(m: u32) -> u32 { return (words[0].y >> 2u) + m * (words[0].z >> 2u); }
fn sourceAt(i: u32) -> u32 { return source[i]; }
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;
fn weightsRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
@group(0) @binding(2) var<uniform> words: array<vec4<u32>, 2>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 5u) >> 2u][(j + 5u) & 3u]; }
fn element(at: u32) -> f32 {
  let half = at + (words[0].y >> 1u);
  let bits = (source[half >> 1u] >> ((half & 1u) * 16u)) & 0xffffu;
  return bitcast<f32>(bits << 16u);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let column = group.x * 64u + local.x;
  if (column >= 128u) { return; }
  for (var k = 0u; k < 80u; k++) {
    var value = 0.0;
    if (column < 96u) { value = element(column * 80u + k); }
    weights[weightsRow(0u) + k * 128u + column] = value;
  }
}
