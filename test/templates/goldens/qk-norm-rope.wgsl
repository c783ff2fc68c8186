@group(0) @binding(0) var<storage, read> x: array<f32>;
fn xRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn xAt(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> weight: array<f32>;
fn weightRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn weightAt(i: u32) -> f32 { return weight[i]; }
@group(0) @binding(2) var<storage, read> cosines: array<f32>;
fn cosinesRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
fn cosinesAt(i: u32) -> f32 { return cosines[i]; }
@group(0) @binding(3) var<storage, read> sines: array<f32>;
fn sinesRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
fn sinesAt(i: u32) -> f32 { return sines[i]; }
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[2].y + m * words[2].z; }
@group(0) @binding(5) var<uniform> words: array<vec4<u32>, 3>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 11u) >> 2u][(j + 11u) & 3u]; }
var<workgroup> parts: array<f32, 64>;

fn normalized(at: u32, i: u32, factor: f32) -> f32 {
  return x[at + i] * factor * weight[weightRow(0u) + i];
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let member = lane % 16u;
  for (var first = 0u; first < 2u; first += 4u) {
    let head = first + lane / 16u;
    let inside = head < 2u;
    let channel = head * 32u;
    let at = xRow(row) + channel;
    let to = outRow(row) + channel;
    var factor = 1.0;
    var squares = 0.0;
    if (inside) {
      for (var i = member; i < 32u; i += 16u) { squares += x[at + i] * x[at + i]; }
    }
    workgroupBarrier();
    parts[lane] = squares;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < 16u; i++) { sum += parts[lane - member + i]; }
    factor = 1.0 / sqrt(sum / 32.0 + 0.000001);
    if (inside) {
      for (var pair = member; pair * 2u < 32u; pair += 16u) {
        let x0 = normalized(at, pair * 2u, factor);
        let x1 = normalized(at, pair * 2u + 1u, factor);
        let c = cosines[cosinesRow(row) + pair];
        let s = sines[sinesRow(row) + pair];
        out[to + pair * 2u] = x0 * c - x1 * s;
        out[to + pair * 2u + 1u] = x1 * c + x0 * s;
      }
    }
  }
}
