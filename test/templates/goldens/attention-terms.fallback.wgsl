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
@compute @workgroup_size(32, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let row = group.y * 32u + local.x;
  if (row >= rows()) { return; }
  let head = group.x * 32u;
  let kvHead = group.x / 2u * 32u;
  let queryAt = qRow(row) + head;
  let q0 = vec4<f32>(q[queryAt + 0u], q[queryAt + 1u], q[queryAt + 2u], q[queryAt + 3u]) * 0.5;
  var o0 = vec4<f32>();
  let q1 = vec4<f32>(q[queryAt + 4u], q[queryAt + 5u], q[queryAt + 6u], q[queryAt + 7u]) * 0.5;
  var o1 = vec4<f32>();
  let q2 = vec4<f32>(q[queryAt + 8u], q[queryAt + 9u], q[queryAt + 10u], q[queryAt + 11u]) * 0.5;
  var o2 = vec4<f32>();
  let q3 = vec4<f32>(q[queryAt + 12u], q[queryAt + 13u], q[queryAt + 14u], q[queryAt + 15u]) * 0.5;
  var o3 = vec4<f32>();
  let q4 = vec4<f32>(q[queryAt + 16u], q[queryAt + 17u], q[queryAt + 18u], q[queryAt + 19u]) * 0.5;
  var o4 = vec4<f32>();
  let q5 = vec4<f32>(q[queryAt + 20u], q[queryAt + 21u], q[queryAt + 22u], q[queryAt + 23u]) * 0.5;
  var o5 = vec4<f32>();
  let q6 = vec4<f32>(q[queryAt + 24u], q[queryAt + 25u], q[queryAt + 26u], q[queryAt + 27u]) * 0.5;
  var o6 = vec4<f32>();
  let q7 = vec4<f32>(q[queryAt + 28u], q[queryAt + 29u], q[queryAt + 30u], q[queryAt + 31u]) * 0.5;
  var o7 = vec4<f32>();
  var peak = -1e30;
  var sum = 0.0;
  let keys = min(scalar(0u), row + 1u);
  for (var key = 0u; key < keys; key++) {
    if (maskAt(maskRow(0u) + key) == i32()) { continue; }
    let kAtHead = kRow(key) + kvHead;
    var products = vec4<f32>();
    products += q0 * vec4<f32>(k[kAtHead + 0u], k[kAtHead + 1u], k[kAtHead + 2u], k[kAtHead + 3u]);
    products += q1 * vec4<f32>(k[kAtHead + 4u], k[kAtHead + 5u], k[kAtHead + 6u], k[kAtHead + 7u]);
    products += q2 * vec4<f32>(k[kAtHead + 8u], k[kAtHead + 9u], k[kAtHead + 10u], k[kAtHead + 11u]);
    products += q3 * vec4<f32>(k[kAtHead + 12u], k[kAtHead + 13u], k[kAtHead + 14u], k[kAtHead + 15u]);
    products += q4 * vec4<f32>(k[kAtHead + 16u], k[kAtHead + 17u], k[kAtHead + 18u], k[kAtHead + 19u]);
    products += q5 * vec4<f32>(k[kAtHead + 20u], k[kAtHead + 21u], k[kAtHead + 22u], k[kAtHead + 23u]);
    products += q6 * vec4<f32>(k[kAtHead + 24u], k[kAtHead + 25u], k[kAtHead + 26u], k[kAtHead + 27u]);
    products += q7 * vec4<f32>(k[kAtHead + 28u], k[kAtHead + 29u], k[kAtHead + 30u], k[kAtHead + 31u]);
    let score = (products.x + products.y) + (products.z + products.w) + biasAt(biasRow(group.x) + key + rows() - 1u - row);
    if (score > peak) {
      let shrink = exp(peak - score);
      peak = score;
      sum *= shrink;
      o0 *= shrink;
      o1 *= shrink;
      o2 *= shrink;
      o3 *= shrink;
      o4 *= shrink;
      o5 *= shrink;
      o6 *= shrink;
      o7 *= shrink;
    }
    let weight = exp(score - peak);
    sum += weight;
    let vAtHead = vRow(key) + kvHead;
    o0 += weight * vec4<f32>(v[vAtHead + 0u], v[vAtHead + 1u], v[vAtHead + 2u], v[vAtHead + 3u]);
    o1 += weight * vec4<f32>(v[vAtHead + 4u], v[vAtHead + 5u], v[vAtHead + 6u], v[vAtHead + 7u]);
    o2 += weight * vec4<f32>(v[vAtHead + 8u], v[vAtHead + 9u], v[vAtHead + 10u], v[vAtHead + 11u]);
    o3 += weight * vec4<f32>(v[vAtHead + 12u], v[vAtHead + 13u], v[vAtHead + 14u], v[vAtHead + 15u]);
    o4 += weight * vec4<f32>(v[vAtHead + 16u], v[vAtHead + 17u], v[vAtHead + 18u], v[vAtHead + 19u]);
    o5 += weight * vec4<f32>(v[vAtHead + 20u], v[vAtHead + 21u], v[vAtHead + 22u], v[vAtHead + 23u]);
    o6 += weight * vec4<f32>(v[vAtHead + 24u], v[vAtHead + 25u], v[vAtHead + 26u], v[vAtHead + 27u]);
    o7 += weight * vec4<f32>(v[vAtHead + 28u], v[vAtHead + 29u], v[vAtHead + 30u], v[vAtHead + 31u]);
  }
  let to = outRow(row) + head;
  {
    let y = o0 / sum;
    out[to + 0u] = y.x;
    out[to + 1u] = y.y;
    out[to + 2u] = y.z;
    out[to + 3u] = y.w;
  }
  {
    let y = o1 / sum;
    out[to + 4u] = y.x;
    out[to + 5u] = y.y;
    out[to + 6u] = y.z;
    out[to + 7u] = y.w;
  }
  {
    let y = o2 / sum;
    out[to + 8u] = y.x;
    out[to + 9u] = y.y;
    out[to + 10u] = y.z;
    out[to + 11u] = y.w;
  }
  {
    let y = o3 / sum;
    out[to + 12u] = y.x;
    out[to + 13u] = y.y;
    out[to + 14u] = y.z;
    out[to + 15u] = y.w;
  }
  {
    let y = o4 / sum;
    out[to + 16u] = y.x;
    out[to + 17u] = y.y;
    out[to + 18u] = y.z;
    out[to + 19u] = y.w;
  }
  {
    let y = o5 / sum;
    out[to + 20u] = y.x;
    out[to + 21u] = y.y;
    out[to + 22u] = y.z;
    out[to + 23u] = y.w;
  }
  {
    let y = o6 / sum;
    out[to + 24u] = y.x;
    out[to + 25u] = y.y;
    out[to + 26u] = y.z;
    out[to + 27u] = y.w;
  }
  {
    let y = o7 / sum;
    out[to + 28u] = y.x;
    out[to + 29u] = y.y;
    out[to + 30u] = y.z;
    out[to + 31u] = y.w;
  }
}
