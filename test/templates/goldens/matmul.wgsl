@group(0) @binding(0) var<storage, read> a: array<f32>;
fn aRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn aAt(i: u32) -> f32 { return a[i]; }
@group(0) @binding(1) var<storage, read> b: array<f32>;
fn bRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn bAt(i: u32) -> f32 { return b[i]; }
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
@group(0) @binding(3) var<uniform> words: array<vec4<u32>, 5>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 7u) >> 2u][(j + 7u) & 3u]; }
var<workgroup> aTile: array<f32, 544>;
var<workgroup> bTile: array<f32, 528>;

@compute @workgroup_size(8, 8, 1)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let m = scalar(1u);
  let n = scalar(2u);
  let k = scalar(3u);
  let aBase = aRow(0u) + group.z * scalar(4u);
  let bBase = bRow(0u) + group.z * scalar(7u);
  let outBase = outRow(0u) + group.z * scalar(10u);
  let firstRow = group.y * 32u;
  let firstColumn = group.x * 32u;
  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  for (var stage = 0u; stage < k; stage += 16u) {
    workgroupBarrier();
    for (var i = lane; i < 512u; i += 64u) {
      let row = firstRow + i / 16u;
      let at = stage + i % 16u;
      var value = 0.0;
      if (row < m && at < k) { value = a[aBase + row * scalar(5u) + at * scalar(6u)]; }
      aTile[(i / 16u) * 17u + i % 16u] = value;
    }
    for (var i = lane; i < 512u; i += 64u) {
      let at = stage + i / 32u;
      let column = firstColumn + i % 32u;
      var value = 0.0;
      if (column < n && at < k) { value = b[bBase + at * scalar(8u) + column * scalar(9u)]; }
      bTile[(i / 32u) * 33u + i % 32u] = value;
    }
    workgroupBarrier();
    for (var e = 0u; e < 16u; e++) {
      let row = e * 33u + local.x;
      let right = vec4<f32>(bTile[row], bTile[row + 8u], bTile[row + 16u], bTile[row + 24u]);
      sum0 += aTile[(local.y * 4u + 0u) * 17u + e] * right;
      sum1 += aTile[(local.y * 4u + 1u) * 17u + e] * right;
      sum2 += aTile[(local.y * 4u + 2u) * 17u + e] * right;
      sum3 += aTile[(local.y * 4u + 3u) * 17u + e] * right;
    }
  }
  if (firstRow + local.y * 4u + 0u < m) {
    let row = outBase + (firstRow + local.y * 4u + 0u) * scalar(11u);
    if (firstColumn + local.x + 0u < n) { out[row + firstColumn + local.x + 0u] = sum0[0]; }
    if (firstColumn + local.x + 8u < n) { out[row + firstColumn + local.x + 8u] = sum0[1]; }
    if (firstColumn + local.x + 16u < n) { out[row + firstColumn + local.x + 16u] = sum0[2]; }
    if (firstColumn + local.x + 24u < n) { out[row + firstColumn + local.x + 24u] = sum0[3]; }
  }
  if (firstRow + local.y * 4u + 1u < m) {
    let row = outBase + (firstRow + local.y * 4u + 1u) * scalar(11u);
    if (firstColumn + local.x + 0u < n) { out[row + firstColumn + local.x + 0u] = sum1[0]; }
    if (firstColumn + local.x + 8u < n) { out[row + firstColumn + local.x + 8u] = sum1[1]; }
    if (firstColumn + local.x + 16u < n) { out[row + firstColumn + local.x + 16u] = sum1[2]; }
    if (firstColumn + local.x + 24u < n) { out[row + firstColumn + local.x + 24u] = sum1[3]; }
  }
  if (firstRow + local.y * 4u + 2u < m) {
    let row = outBase + (firstRow + local.y * 4u + 2u) * scalar(11u);
    if (firstColumn + local.x + 0u < n) { out[row + firstColumn + local.x + 0u] = sum2[0]; }
    if (firstColumn + local.x + 8u < n) { out[row + firstColumn + local.x + 8u] = sum2[1]; }
    if (firstColumn + local.x + 16u < n) { out[row + firstColumn + local.x + 16u] = sum2[2]; }
    if (firstColumn + local.x + 24u < n) { out[row + firstColumn + local.x + 24u] = sum2[3]; }
  }
  if (firstRow + local.y * 4u + 3u < m) {
    let row = outBase + (firstRow + local.y * 4u + 3u) * scalar(11u);
    if (firstColumn + local.x + 0u < n) { out[row + firstColumn + local.x + 0u] = sum3[0]; }
    if (firstColumn + local.x + 8u < n) { out[row + firstColumn + local.x + 8u] = sum3[1]; }
    if (firstColumn + local.x + 16u < n) { out[row + firstColumn + local.x + 16u] = sum3[2]; }
    if (firstColumn + local.x + 24u < n) { out[row + firstColumn + local.x + 24u] = sum3[3]; }
  }
}
