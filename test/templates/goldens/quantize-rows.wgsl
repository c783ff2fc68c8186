@group(0) @binding(0) var<storage, read> x: array<f32>;
fn xRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn xAt(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read_write> q: array<u32>;
fn qRow(m: u32) -> u32 { return (words[0].w >> 2u) + m * (words[1].x >> 2u); }
@group(0) @binding(2) var<storage, read_write> rowScale: array<f32>;
fn rowScaleRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
@group(0) @binding(3) var<storage, read_write> rowSum: array<i32>;
fn rowSumRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
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

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let at = xRow(row);
  var peak = 0.0;
  for (var i = lane; i < 72u; i += THREADS) { peak = max(peak, abs(x[at + i])); }
  peak = significant(maxOverRow(lane, peak));
  let inverse = inverseScale(peak);
  var sum = 0i;
  for (var word = lane; word < 20u; word += THREADS) {
    var codes = vec4<i32>();
    for (var e = 0u; e < 4u; e++) {
      let i = word * 4u + e;
      if (i < 72u) { codes[e] = codeOf(x[at + i], inverse); }
    }
    sum += codes.x + codes.y + codes.z + codes.w;
    q[qRow(row) + word] = packCodes(codes);
  }
  // |sum| < 2^24 for every supported row: exact in f32.
  let total = sumOverRow(lane, f32(sum));
  if (lane == 0u) {
    rowScale[rowScaleRow(row)] = peak / 127.0;
    rowSum[rowSumRow(row)] = i32(total);
  }
}
