@group(0) @binding(0) var<storage, read_write> x: array<f32>;
fn xRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
@group(0) @binding(1) var<storage, read> v: array<f32>;
fn vRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn vAt(i: u32) -> f32 { return v[i]; }
@group(0) @binding(2) var<storage, read> dt: array<f32>;
fn dtRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
fn dtAt(i: u32) -> f32 { return dt[i]; }
@group(0) @binding(3) var<uniform> words: array<vec4<u32>, 2>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 7u) >> 2u][(j + 7u) & 3u]; }
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let delta = dt[dtRow(0u)];
  for (var i = lane; i < 64u; i += 64u) {
    let at = xRow(row) + i;
    x[at] = x[at] + delta * v[vRow(row) + i];
  }
}
