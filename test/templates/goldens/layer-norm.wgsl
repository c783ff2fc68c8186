@group(0) @binding(0) var<storage, read> x: array<f32>;
fn xRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn xAt(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> scale: array<f32>;
fn scaleRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn scaleAt(i: u32) -> f32 { return scale[i]; }
@group(0) @binding(2) var<storage, read> bias: array<f32>;
fn biasRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
fn biasAt(i: u32) -> f32 { return bias[i]; }
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
@group(0) @binding(4) var<uniform> words: array<vec4<u32>, 3>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 9u) >> 2u][(j + 9u) & 3u]; }
// A workgroup of 64 invocations per row: sums and maxima over all of them, in two stages of 8.
const THREADS = 64u;
var<workgroup> parts: array<f32, 64>;
var<workgroup> eighths: array<f32, 8>;

fn sumOverRow(lane: u32, value: f32) -> f32 {
  workgroupBarrier();
  parts[lane] = value;
  workgroupBarrier();
  if (lane < 8u) {
    let at = lane * 8u;
    eighths[lane] = ((parts[at] + parts[at + 1u]) + (parts[at + 2u] + parts[at + 3u]))
      + ((parts[at + 4u] + parts[at + 5u]) + (parts[at + 6u] + parts[at + 7u]));
  }
  workgroupBarrier();
  return ((eighths[0] + eighths[1]) + (eighths[2] + eighths[3]))
    + ((eighths[4] + eighths[5]) + (eighths[6] + eighths[7]));
}

fn maxOverRow(lane: u32, value: f32) -> f32 {
  workgroupBarrier();
  parts[lane] = value;
  workgroupBarrier();
  if (lane < 8u) {
    let at = lane * 8u;
    eighths[lane] = max(max(max(parts[at], parts[at + 1u]), max(parts[at + 2u], parts[at + 3u])),
      max(max(parts[at + 4u], parts[at + 5u]), max(parts[at + 6u], parts[at + 7u])));
  }
  workgroupBarrier();
  return max(max(max(eighths[0], eighths[1]), max(eighths[2], eighths[3])),
    max(max(eighths[4], eighths[5]), max(eighths[6], eighths[7])));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let at = xRow(row);
  var sum = 0.0;
  for (var i = lane; i < 96u; i += THREADS) { sum += x[at + i]; }
  let mean = sumOverRow(lane, sum) / 96.0;
  var squares = 0.0;
  for (var i = lane; i < 96u; i += THREADS) { let d = x[at + i] - mean; squares += d * d; }
  let factor = 1.0 / sqrt(sumOverRow(lane, squares) / 96.0 + 0.00001);
  for (var i = lane; i < 96u; i += THREADS) {
    var y = (x[at + i] - mean) * factor;
    y *= scale[scaleRow(0u) + i];
    y += bias[biasRow(0u) + i];
    out[outRow(row) + i] = y;
  }
}
