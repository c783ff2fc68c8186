@group(0) @binding(0) var<storage, read> table: array<f32>;
fn tableRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn tableAt(i: u32) -> f32 { return table[i]; }
@group(0) @binding(1) var<storage, read> indices: array<i32>;
fn indicesRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn indicesAt(i: u32) -> i32 { return indices[i]; }
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
@group(0) @binding(3) var<uniform> words: array<vec4<u32>, 2>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 7u) >> 2u][(j + 7u) & 3u]; }
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let count = i32(scalar(0u));
  var index = indices[indicesRow(row)];
  if (index < 0) { index += count; }
  let source = tableRow(u32(clamp(index, 0, count - 1)));
  for (var i = lane; i < 24u; i += 64u) { out[outRow(row) + i] = table[source + i]; }
}
