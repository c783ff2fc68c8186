@group(0) @binding(0) var<storage, read> x: array<f32>;
fn xRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn xAt(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> mean: array<f32>;
fn meanRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn meanAt(i: u32) -> f32 { return mean[i]; }
@group(0) @binding(2) var<storage, read> factor: array<f32>;
fn factorRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
fn factorAt(i: u32) -> f32 { return factor[i]; }
@group(0) @binding(3) var<storage, read> bias: array<f32>;
fn biasRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
fn biasAt(i: u32) -> f32 { return bias[i]; }
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[2].y + m * words[2].z; }
@group(0) @binding(5) var<uniform> words: array<vec4<u32>, 3>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 11u) >> 2u][(j + 11u) & 3u]; }
fn activate(x: f32) -> f32 { return x / (1.0 + exp(min(-x, 80.0))); }
@compute @workgroup_size(256, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = group.y * 8u;
  let count = min(8u, rows() - first) * 40u;
  for (var i = lane; i < count; i += 256u) {
    let row = first + i / 40u;
    let channel = i % 40u;
    let y = (x[xRow(row) + channel] - mean[meanRow(0u) + channel]) * factor[factorRow(0u) + channel];
    out[outRow(row) + channel] = activate(y + bias[biasRow(0u) + channel]);
  }
}
