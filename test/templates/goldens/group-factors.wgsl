@group(0) @binding(0) var<storage, read> moments: array<f32>;
fn momentsRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn momentsAt(i: u32) -> f32 { return moments[i]; }
@group(0) @binding(1) var<storage, read> scale: array<f32>;
fn scaleRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn scaleAt(i: u32) -> f32 { return scale[i]; }
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
fn meanRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
@group(0) @binding(3) var<storage, read_write> factor: array<f32>;
fn factorRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
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

// The rows of part p.
fn rowsOf(p: u32) -> f32 {
  let all = scalar(0u);
  let size = (all + 7u) / 8u;
  return f32(min((p + 1u) * size, all) - min(p * size, all));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = group.y * 10u;
  let all = f32(scalar(0u)) * 10.0;
  var sum = 0.0;
  for (var i = lane; i < 80u; i += THREADS) {
    let part = i / 10u;
    sum += rowsOf(part) * moments[momentsRow(part) + first + i % 10u];
  }
  let middle = sumOverRow(lane, sum) / all;
  var squares = 0.0;
  for (var i = lane; i < 80u; i += THREADS) {
    let part = i / 10u;
    let at = momentsRow(part) + first + i % 10u;
    let d = moments[at] - middle;
    squares += moments[at + 40u] + rowsOf(part) * d * d;
  }
  let inverse = 1.0 / sqrt(sumOverRow(lane, squares) / all + 0.000001);
  for (var i = lane; i < 10u; i += THREADS) {
    mean[meanRow(group.y) + i] = middle;
    factor[factorRow(group.y) + i] = inverse * scale[scaleRow(group.y) + i];
  }
}
