@group(0) @binding(0) var<storage, read> q: array<f32>;
fn qRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn qAt(i: u32) -> f32 { return q[i]; }
@group(0) @binding(1) var<storage, read> k: array<f32>;
fn kRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn kAt(i: u32) -> f32 { return k[i]; }
@group(0) @binding(2) var<storage, read> v: array<f32>;
fn vRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
fn vAt(i: u32) -> f32 { return v[i]; }
@group(0) @binding(3) var<storage, read> bias: array<f32>;
fn biasRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
fn biasAt(i: u32) -> f32 { return bias[i]; }
@group(0) @binding(4) var<storage, read> mask: array<i32>;
fn maskRow(m: u32) -> u32 { return words[2].y + m * words[2].z; }
fn maskAt(i: u32) -> i32 { return mask[i]; }
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[2].w + m * words[3].x; }
@group(0) @binding(6) var<uniform> words: array<vec4<u32>, 4>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 13u) >> 2u][(j + 13u) & 3u]; }
const ROWS = 32u;
const KEYS = 32u;
const HEAD_DIM = 32u;
// All keys of a tile may be left out: no difference to a score overflows.
const LOWEST = -1e30;
// Vectors of 4 channels per row of a tile, one more than it holds against bank conflicts.
const PITCH = 9u;
// First queries and, from KEY_TILE on, keys; then values of up to valueChunks chunks, a row of them VALUE_PITCH apart.
var<workgroup> tile: array<vec4<f32>, 576>;
const KEY_TILE = 288u;
const VALUE_VECTORS = 8u;
const VALUE_PITCH = 9u;
// Scores of a tile after exp, [row][key].
var<workgroup> weights: array<f32, 1056>;
var<workgroup> parts: array<f32, 256>;

fn qVector(row: u32, channel: u32) -> vec4<f32> {
  if (channel >= HEAD_DIM) { return vec4<f32>(); }
  let at = row + channel;
  return vec4<f32>(q[at], q[at + 1u], q[at + 2u], q[at + 3u]);
}

fn kVector(row: u32, channel: u32) -> vec4<f32> {
  if (channel >= HEAD_DIM) { return vec4<f32>(); }
  let at = row + channel;
  return vec4<f32>(k[at], k[at + 1u], k[at + 2u], k[at + 3u]);
}

fn vVector(row: u32, channel: u32) -> vec4<f32> {
  if (channel >= HEAD_DIM) { return vec4<f32>(); }
  let at = row + channel;
  return vec4<f32>(v[at], v[at + 1u], v[at + 2u], v[at + 3u]);
}

@compute @workgroup_size(8, 8, 1)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let head = group.x * HEAD_DIM;
  let kvHead = group.x / 2u * HEAD_DIM;
  let tileRow = group.y * ROWS;
  let firstRow = local.y * 4u;
  // No row of the tile reads a key after its last one.
  let keys = min(scalar(0u), tileRow + ROWS);
  var peak0 = LOWEST;
  var sum0 = 0.0;
  var o0_0 = vec4<f32>();
  var peak1 = LOWEST;
  var sum1 = 0.0;
  var o1_0 = vec4<f32>();
  var peak2 = LOWEST;
  var sum2 = 0.0;
  var o2_0 = vec4<f32>();
  var peak3 = LOWEST;
  var sum3 = 0.0;
  var o3_0 = vec4<f32>();
  for (var firstKey = 0u; firstKey < keys; firstKey += KEYS) {
    var s0 = vec4<f32>();
    var s1 = vec4<f32>();
    var s2 = vec4<f32>();
    var s3 = vec4<f32>();
    for (var chunk = 0u; chunk < 1u; chunk++) {
      workgroupBarrier();
      for (var i = lane; i < ROWS * 8u; i += 64u) {
        let row = min(tileRow + i / 8u, rows() - 1u);
        tile[(i / 8u) * PITCH + i % 8u] = qVector(qRow(row) + head, chunk * 32u + (i % 8u) * 4u);
      }
      for (var i = lane; i < KEYS * 8u; i += 64u) {
        let key = min(firstKey + i / 8u, keys - 1u);
        tile[KEY_TILE + (i / 8u) * PITCH + i % 8u] = kVector(kRow(key) + kvHead, chunk * 32u + (i % 8u) * 4u);
      }
      workgroupBarrier();
      for (var e = 0u; e < 8u; e++) {
        let k0 = tile[KEY_TILE + (local.x + 0u) * PITCH + e];
        let k1 = tile[KEY_TILE + (local.x + 8u) * PITCH + e];
        let k2 = tile[KEY_TILE + (local.x + 16u) * PITCH + e];
        let k3 = tile[KEY_TILE + (local.x + 24u) * PITCH + e];
        let q0 = tile[(firstRow + 0u) * PITCH + e];
        s0 += vec4<f32>(dot(q0, k0), dot(q0, k1), dot(q0, k2), dot(q0, k3));
        let q1 = tile[(firstRow + 1u) * PITCH + e];
        s1 += vec4<f32>(dot(q1, k0), dot(q1, k1), dot(q1, k2), dot(q1, k3));
        let q2 = tile[(firstRow + 2u) * PITCH + e];
        s2 += vec4<f32>(dot(q2, k0), dot(q2, k1), dot(q2, k2), dot(q2, k3));
        let q3 = tile[(firstRow + 3u) * PITCH + e];
        s3 += vec4<f32>(dot(q3, k0), dot(q3, k1), dot(q3, k2), dot(q3, k3));
      }
    }
    let tileKeys = vec4<u32>(firstKey + local.x) + vec4<u32>(0u, 8u, 16u, 24u);
    let noKey = tileKeys >= vec4<u32>(keys);
    let maskKeys = min(tileKeys, vec4<u32>(keys - 1u)) + maskRow(0u);
    let left = noKey | (vec4<i32>(maskAt(maskKeys.x), maskAt(maskKeys.y), maskAt(maskKeys.z), maskAt(maskKeys.w)) == vec4<i32>());
    let outside0 = left | (tileKeys > vec4<u32>(tileRow + firstRow + 0u));
    // The term of key j and row i is at j − i + T − 1; what lies outside reads another one.
    let bias0 = biasRow(group.x) + select(tileKeys + (rows() - 1u) - min(tileRow + firstRow + 0u, rows() - 1u), vec4<u32>(), noKey);
    s0 = s0 * 0.5 + vec4<f32>(biasAt(bias0.x), biasAt(bias0.y), biasAt(bias0.z), biasAt(bias0.w));
    s0 = select(s0, vec4<f32>(LOWEST), outside0);
    parts[(firstRow + 0u) * 8u + local.x] = max(max(s0.x, s0.y), max(s0.z, s0.w));
    let outside1 = left | (tileKeys > vec4<u32>(tileRow + firstRow + 1u));
    // The term of key j and row i is at j − i + T − 1; what lies outside reads another one.
    let bias1 = biasRow(group.x) + select(tileKeys + (rows() - 1u) - min(tileRow + firstRow + 1u, rows() - 1u), vec4<u32>(), noKey);
    s1 = s1 * 0.5 + vec4<f32>(biasAt(bias1.x), biasAt(bias1.y), biasAt(bias1.z), biasAt(bias1.w));
    s1 = select(s1, vec4<f32>(LOWEST), outside1);
    parts[(firstRow + 1u) * 8u + local.x] = max(max(s1.x, s1.y), max(s1.z, s1.w));
    let outside2 = left | (tileKeys > vec4<u32>(tileRow + firstRow + 2u));
    // The term of key j and row i is at j − i + T − 1; what lies outside reads another one.
    let bias2 = biasRow(group.x) + select(tileKeys + (rows() - 1u) - min(tileRow + firstRow + 2u, rows() - 1u), vec4<u32>(), noKey);
    s2 = s2 * 0.5 + vec4<f32>(biasAt(bias2.x), biasAt(bias2.y), biasAt(bias2.z), biasAt(bias2.w));
    s2 = select(s2, vec4<f32>(LOWEST), outside2);
    parts[(firstRow + 2u) * 8u + local.x] = max(max(s2.x, s2.y), max(s2.z, s2.w));
    let outside3 = left | (tileKeys > vec4<u32>(tileRow + firstRow + 3u));
    // The term of key j and row i is at j − i + T − 1; what lies outside reads another one.
    let bias3 = biasRow(group.x) + select(tileKeys + (rows() - 1u) - min(tileRow + firstRow + 3u, rows() - 1u), vec4<u32>(), noKey);
    s3 = s3 * 0.5 + vec4<f32>(biasAt(bias3.x), biasAt(bias3.y), biasAt(bias3.z), biasAt(bias3.w));
    s3 = select(s3, vec4<f32>(LOWEST), outside3);
    parts[(firstRow + 3u) * 8u + local.x] = max(max(s3.x, s3.y), max(s3.z, s3.w));
    workgroupBarrier();
    {
      let at = (firstRow + 0u) * 8u;
      let tilePeak = max(max(max(parts[at], parts[at + 1u]), max(parts[at + 2u], parts[at + 3u])),
        max(max(parts[at + 4u], parts[at + 5u]), max(parts[at + 6u], parts[at + 7u])));
      let next = max(peak0, tilePeak);
      // The first tile has nothing to rescale, and LOWEST − next may overflow.
      let shrink = select(exp(peak0 - next), 0.0, firstKey == 0u);
      let p = select(exp(s0 - next), vec4<f32>(), outside0);
      sum0 = sum0 * shrink + p.x + p.y + p.z + p.w;
      peak0 = next;
      let to = (firstRow + 0u) * 33u + local.x;
      weights[to] = p.x;
      weights[to + 8u] = p.y;
      weights[to + 16u] = p.z;
      weights[to + 24u] = p.w;
      o0_0 *= shrink;
    }
    {
      let at = (firstRow + 1u) * 8u;
      let tilePeak = max(max(max(parts[at], parts[at + 1u]), max(parts[at + 2u], parts[at + 3u])),
        max(max(parts[at + 4u], parts[at + 5u]), max(parts[at + 6u], parts[at + 7u])));
      let next = max(peak1, tilePeak);
      // The first tile has nothing to rescale, and LOWEST − next may overflow.
      let shrink = select(exp(peak1 - next), 0.0, firstKey == 0u);
      let p = select(exp(s1 - next), vec4<f32>(), outside1);
      sum1 = sum1 * shrink + p.x + p.y + p.z + p.w;
      peak1 = next;
      let to = (firstRow + 1u) * 33u + local.x;
      weights[to] = p.x;
      weights[to + 8u] = p.y;
      weights[to + 16u] = p.z;
      weights[to + 24u] = p.w;
      o1_0 *= shrink;
    }
    {
      let at = (firstRow + 2u) * 8u;
      let tilePeak = max(max(max(parts[at], parts[at + 1u]), max(parts[at + 2u], parts[at + 3u])),
        max(max(parts[at + 4u], parts[at + 5u]), max(parts[at + 6u], parts[at + 7u])));
      let next = max(peak2, tilePeak);
      // The first tile has nothing to rescale, and LOWEST − next may overflow.
      let shrink = select(exp(peak2 - next), 0.0, firstKey == 0u);
      let p = select(exp(s2 - next), vec4<f32>(), outside2);
      sum2 = sum2 * shrink + p.x + p.y + p.z + p.w;
      peak2 = next;
      let to = (firstRow + 2u) * 33u + local.x;
      weights[to] = p.x;
      weights[to + 8u] = p.y;
      weights[to + 16u] = p.z;
      weights[to + 24u] = p.w;
      o2_0 *= shrink;
    }
    {
      let at = (firstRow + 3u) * 8u;
      let tilePeak = max(max(max(parts[at], parts[at + 1u]), max(parts[at + 2u], parts[at + 3u])),
        max(max(parts[at + 4u], parts[at + 5u]), max(parts[at + 6u], parts[at + 7u])));
      let next = max(peak3, tilePeak);
      // The first tile has nothing to rescale, and LOWEST − next may overflow.
      let shrink = select(exp(peak3 - next), 0.0, firstKey == 0u);
      let p = select(exp(s3 - next), vec4<f32>(), outside3);
      sum3 = sum3 * shrink + p.x + p.y + p.z + p.w;
      peak3 = next;
      let to = (firstRow + 3u) * 33u + local.x;
      weights[to] = p.x;
      weights[to + 8u] = p.y;
      weights[to + 16u] = p.z;
      weights[to + 24u] = p.w;
      o3_0 *= shrink;
    }
    workgroupBarrier();
    for (var i = lane; i < KEYS * VALUE_VECTORS; i += 64u) {
      let key = min(firstKey + i / VALUE_VECTORS, keys - 1u);
      let vector = i % VALUE_VECTORS;
      tile[(i / VALUE_VECTORS) * VALUE_PITCH + vector] = vVector(vRow(key) + kvHead, 0u + vector * 4u);
    }
    workgroupBarrier();
    for (var key = 0u; key < min(KEYS, keys - firstKey); key++) {
      let value0 = tile[key * VALUE_PITCH + 0u + local.x];
      let weight0 = weights[(firstRow + 0u) * 33u + key];
      o0_0 += weight0 * value0;
      let weight1 = weights[(firstRow + 1u) * 33u + key];
      o1_0 += weight1 * value0;
      let weight2 = weights[(firstRow + 2u) * 33u + key];
      o2_0 += weight2 * value0;
      let weight3 = weights[(firstRow + 3u) * 33u + key];
      o3_0 += weight3 * value0;
    }
  }
  // Each invocation summed its own keys of a row.
  workgroupBarrier();
  parts[(firstRow + 0u) * 8u + local.x] = sum0;
  parts[(firstRow + 1u) * 8u + local.x] = sum1;
  parts[(firstRow + 2u) * 8u + local.x] = sum2;
  parts[(firstRow + 3u) * 8u + local.x] = sum3;
  workgroupBarrier();
  if (tileRow + firstRow + 0u < rows()) {
    let at = (firstRow + 0u) * 8u;
    let total = ((parts[at] + parts[at + 1u]) + (parts[at + 2u] + parts[at + 3u]))
      + ((parts[at + 4u] + parts[at + 5u]) + (parts[at + 6u] + parts[at + 7u]));
    let to = outRow(tileRow + firstRow + 0u) + head + local.x * 4u;
    if (local.x * 4u + 0u < HEAD_DIM) {
      let y = o0_0 / total;
      out[to + 0u] = y.x;
      out[to + 1u] = y.y;
      out[to + 2u] = y.z;
      out[to + 3u] = y.w;
    }
  }
  if (tileRow + firstRow + 1u < rows()) {
    let at = (firstRow + 1u) * 8u;
    let total = ((parts[at] + parts[at + 1u]) + (parts[at + 2u] + parts[at + 3u]))
      + ((parts[at + 4u] + parts[at + 5u]) + (parts[at + 6u] + parts[at + 7u]));
    let to = outRow(tileRow + firstRow + 1u) + head + local.x * 4u;
    if (local.x * 4u + 0u < HEAD_DIM) {
      let y = o1_0 / total;
      out[to + 0u] = y.x;
      out[to + 1u] = y.y;
      out[to + 2u] = y.z;
      out[to + 3u] = y.w;
    }
  }
  if (tileRow + firstRow + 2u < rows()) {
    let at = (firstRow + 2u) * 8u;
    let total = ((parts[at] + parts[at + 1u]) + (parts[at + 2u] + parts[at + 3u]))
      + ((parts[at + 4u] + parts[at + 5u]) + (parts[at + 6u] + parts[at + 7u]));
    let to = outRow(tileRow + firstRow + 2u) + head + local.x * 4u;
    if (local.x * 4u + 0u < HEAD_DIM) {
      let y = o2_0 / total;
      out[to + 0u] = y.x;
      out[to + 1u] = y.y;
      out[to + 2u] = y.z;
      out[to + 3u] = y.w;
    }
  }
  if (tileRow + firstRow + 3u < rows()) {
    let at = (firstRow + 3u) * 8u;
    let total = ((parts[at] + parts[at + 1u]) + (parts[at + 2u] + parts[at + 3u]))
      + ((parts[at + 4u] + parts[at + 5u]) + (parts[at + 6u] + parts[at + 7u]));
    let to = outRow(tileRow + firstRow + 3u) + head + local.x * 4u;
    if (local.x * 4u + 0u < HEAD_DIM) {
      let y = o3_0 / total;
      out[to + 0u] = y.x;
      out[to + 1u] = y.y;
      out[to + 2u] = y.z;
      out[to + 3u] = y.w;
    }
  }
}
