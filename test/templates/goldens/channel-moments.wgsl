@group(0) @binding(0) var<storage, read> x: array<f32>;
fn xRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn xAt(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
@group(0) @binding(2) var<uniform> words: array<vec4<u32>, 2>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 5u) >> 2u][(j + 5u) & 3u]; }
const ROWS = 8u;
const CHUNK = 8u;
var<workgroup> counts: array<f32, 256>;
var<workgroup> means: array<f32, 256>;
var<workgroup> squares: array<f32, 256>;

// Entries so far: their number, their mean, and the sum of squared distances from it.
struct Moments { count: f32, mean: f32, squares: f32 }

fn join(a: Moments, b: Moments) -> Moments {
  if (b.count == 0.0) { return a; }
  let count = a.count + b.count;
  let apart = b.mean - a.mean;
  let share = b.count / count;
  return Moments(count, a.mean + apart * share, a.squares + b.squares + apart * apart * a.count * share);
}

@compute @workgroup_size(32, 8, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let channel = group.x * 32u + local.x;
  let all = scalar(0u);
  let size = (all + 7u) / 8u;
  let first = min((group.y + scalar(1u)) * size, all);
  let last = min(first + size, all);
  var seen = Moments();
  if (channel < 40u) {
    for (var row = first + local.y; row < last; row += ROWS * CHUNK) {
      var values: array<f32, CHUNK>;
      var sum = 0.0;
      let count = min(CHUNK, (last - row + ROWS - 1u) / ROWS);
      for (var i = 0u; i < count; i++) {
        values[i] = x[xRow(row + i * ROWS) + channel];
        sum += values[i];
      }
      let mean = sum / f32(count);
      var distances = 0.0;
      for (var i = 0u; i < count; i++) {
        let d = values[i] - mean;
        distances += d * d;
      }
      seen = join(seen, Moments(f32(count), mean, distances));
    }
  }
  let at = local.y * 32u + local.x;
  counts[at] = seen.count;
  means[at] = seen.mean;
  squares[at] = seen.squares;
  workgroupBarrier();
  if (local.y != 0u || channel >= 40u) { return; }
  for (var i = 1u; i < ROWS; i++) {
    let other = i * 32u + local.x;
    seen = join(seen, Moments(counts[other], means[other], squares[other]));
  }
  out[outRow(group.y) + channel] = seen.mean;
  out[outRow(group.y) + 40u + channel] = seen.squares;
}
