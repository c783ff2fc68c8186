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
