@group(0) @binding(0) var<storage, read> x: array<f32>;
fn xRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn xAt(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
@group(0) @binding(2) var<uniform> words: array<vec4<u32>, 2>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 5u) >> 2u][(j + 5u) & 3u]; }
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

fn fold(total: f32, value: f32) -> f32 { return total + value; }
fn contribution(value: f32) -> f32 { return value; }
fn finish(total: f32, c: f32) -> f32 { return total / c; }

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let at = xRow(row);
  let c = scalar(0u);
  var shift = 0.0;
  var total = f32(0.0);
  for (var i = lane; i < c; i += THREADS) { total = fold(total, contribution(x[at + i] - shift)); }
  workgroupBarrier();
  parts[lane] = total;
  workgroupBarrier();
  if (lane == 0u) {
    total = parts[0];
    for (var i = 1u; i < THREADS; i++) { total = fold(total, parts[i]); }
    out[outRow(row)] = finish(total, f32(c)) + shift;
  }
}
