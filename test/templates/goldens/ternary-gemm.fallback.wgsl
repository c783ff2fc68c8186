@group(0) @binding(0) var<storage, read> q: array<u32>;
fn qRow(m: u32) -> u32 { return (words[0].y >> 2u) + m * (words[0].z >> 2u); }
fn qAt(i: u32) -> u32 { return q[i]; }
@group(0) @binding(1) var<storage, read> rowScale: array<f32>;
fn rowScaleRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn rowScaleAt(i: u32) -> f32 { return rowScale[i]; }
@group(0) @binding(2) var<storage, read> rowSum: array<i32>;
fn rowSumRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
fn rowSumAt(i: u32) -> i32 { return rowSum[i]; }
@group(0) @binding(3) var<storage, read> weights: array<u32>;
fn weightsRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
fn weightsAt(i: u32) -> u32 { return weights[i]; }
@group(0) @binding(4) var<storage, read> scales: array<f32>;
fn scalesRow(m: u32) -> u32 { return words[2].y + m * words[2].z; }
fn scalesAt(i: u32) -> f32 { return scales[i]; }
@group(0) @binding(5) var<storage, read> bias: array<f32>;
fn biasRow(m: u32) -> u32 { return words[2].w + m * words[3].x; }
fn biasAt(i: u32) -> f32 { return bias[i]; }
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[3].y + m * words[3].z; }
@group(0) @binding(7) var<uniform> words: array<vec4<u32>, 4>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 15u) >> 2u][(j + 15u) & 3u]; }
// x/2·(1 + tanh(u)) = x / (1 + e^(−2u)), u = sqrt(2/pi)·(x + 0.044715 x³)
fn activate(x: f32) -> f32 {
  return x / (1.0 + exp(min(-1.5957691216 * (x + 0.044715 * x * x * x), 80.0)));
}
fn store(m: u32, n: u32, product: f32) {
  if (m >= rows() || n >= 96u) { return; }
  let y = product + biasAt(biasRow(0u) + n);
  out[outRow(m) + n] = activate(y);
}
@compute @workgroup_size(8, 8, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let firstRow = (group.y * 8u + local.y) * 8u;
  if (firstRow >= rows()) { return; }
  let firstColumn = group.x * 64u + local.x;
  let weightBase = weightsRow(0u) + firstColumn;
  let row0 = qRow(min(firstRow + 0u, rows() - 1u));
  var a0_0 = 0.0;
  var a0_1 = 0.0;
  var a0_2 = 0.0;
  var a0_3 = 0.0;
  var a0_4 = 0.0;
  var a0_5 = 0.0;
  var a0_6 = 0.0;
  var a0_7 = 0.0;
  let row1 = qRow(min(firstRow + 1u, rows() - 1u));
  var a1_0 = 0.0;
  var a1_1 = 0.0;
  var a1_2 = 0.0;
  var a1_3 = 0.0;
  var a1_4 = 0.0;
  var a1_5 = 0.0;
  var a1_6 = 0.0;
  var a1_7 = 0.0;
  let row2 = qRow(min(firstRow + 2u, rows() - 1u));
  var a2_0 = 0.0;
  var a2_1 = 0.0;
  var a2_2 = 0.0;
  var a2_3 = 0.0;
  var a2_4 = 0.0;
  var a2_5 = 0.0;
  var a2_6 = 0.0;
  var a2_7 = 0.0;
  let row3 = qRow(min(firstRow + 3u, rows() - 1u));
  var a3_0 = 0.0;
  var a3_1 = 0.0;
  var a3_2 = 0.0;
  var a3_3 = 0.0;
  var a3_4 = 0.0;
  var a3_5 = 0.0;
  var a3_6 = 0.0;
  var a3_7 = 0.0;
  let row4 = qRow(min(firstRow + 4u, rows() - 1u));
  var a4_0 = 0.0;
  var a4_1 = 0.0;
  var a4_2 = 0.0;
  var a4_3 = 0.0;
  var a4_4 = 0.0;
  var a4_5 = 0.0;
  var a4_6 = 0.0;
  var a4_7 = 0.0;
  let row5 = qRow(min(firstRow + 5u, rows() - 1u));
  var a5_0 = 0.0;
  var a5_1 = 0.0;
  var a5_2 = 0.0;
  var a5_3 = 0.0;
  var a5_4 = 0.0;
  var a5_5 = 0.0;
  var a5_6 = 0.0;
  var a5_7 = 0.0;
  let row6 = qRow(min(firstRow + 6u, rows() - 1u));
  var a6_0 = 0.0;
  var a6_1 = 0.0;
  var a6_2 = 0.0;
  var a6_3 = 0.0;
  var a6_4 = 0.0;
  var a6_5 = 0.0;
  var a6_6 = 0.0;
  var a6_7 = 0.0;
  let row7 = qRow(min(firstRow + 7u, rows() - 1u));
  var a7_0 = 0.0;
  var a7_1 = 0.0;
  var a7_2 = 0.0;
  var a7_3 = 0.0;
  var a7_4 = 0.0;
  var a7_5 = 0.0;
  var a7_6 = 0.0;
  var a7_7 = 0.0;
  for (var part = 0u; part < 5u; part++) {
    let w0 = weights[weightBase + part * 128u + 0u];
    let w1 = weights[weightBase + part * 128u + 8u];
    let w2 = weights[weightBase + part * 128u + 16u];
    let w3 = weights[weightBase + part * 128u + 24u];
    let w4 = weights[weightBase + part * 128u + 32u];
    let w5 = weights[weightBase + part * 128u + 40u];
    let w6 = weights[weightBase + part * 128u + 48u];
    let w7 = weights[weightBase + part * 128u + 56u];
    for (var c = 0u; c < 4u; c++) {
      let shifts = vec4<u32>(0u, 8u, 16u, 24u) + c * 2u;
      let u0 = vec4<f32>((vec4<u32>(w0) >> shifts) & vec4<u32>(3u));
      let u1 = vec4<f32>((vec4<u32>(w1) >> shifts) & vec4<u32>(3u));
      let u2 = vec4<f32>((vec4<u32>(w2) >> shifts) & vec4<u32>(3u));
      let u3 = vec4<f32>((vec4<u32>(w3) >> shifts) & vec4<u32>(3u));
      let u4 = vec4<f32>((vec4<u32>(w4) >> shifts) & vec4<u32>(3u));
      let u5 = vec4<f32>((vec4<u32>(w5) >> shifts) & vec4<u32>(3u));
      let u6 = vec4<f32>((vec4<u32>(w6) >> shifts) & vec4<u32>(3u));
      let u7 = vec4<f32>((vec4<u32>(w7) >> shifts) & vec4<u32>(3u));
      let q0 = vec4<f32>((vec4<i32>(bitcast<i32>(q[row0 + part * 4u + c])) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
      a0_0 += q0.x * u0.x + q0.y * u0.y + q0.z * u0.z + q0.w * u0.w;
      a0_1 += q0.x * u1.x + q0.y * u1.y + q0.z * u1.z + q0.w * u1.w;
      a0_2 += q0.x * u2.x + q0.y * u2.y + q0.z * u2.z + q0.w * u2.w;
      a0_3 += q0.x * u3.x + q0.y * u3.y + q0.z * u3.z + q0.w * u3.w;
      a0_4 += q0.x * u4.x + q0.y * u4.y + q0.z * u4.z + q0.w * u4.w;
      a0_5 += q0.x * u5.x + q0.y * u5.y + q0.z * u5.z + q0.w * u5.w;
      a0_6 += q0.x * u6.x + q0.y * u6.y + q0.z * u6.z + q0.w * u6.w;
      a0_7 += q0.x * u7.x + q0.y * u7.y + q0.z * u7.z + q0.w * u7.w;
      let q1 = vec4<f32>((vec4<i32>(bitcast<i32>(q[row1 + part * 4u + c])) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
      a1_0 += q1.x * u0.x + q1.y * u0.y + q1.z * u0.z + q1.w * u0.w;
      a1_1 += q1.x * u1.x + q1.y * u1.y + q1.z * u1.z + q1.w * u1.w;
      a1_2 += q1.x * u2.x + q1.y * u2.y + q1.z * u2.z + q1.w * u2.w;
      a1_3 += q1.x * u3.x + q1.y * u3.y + q1.z * u3.z + q1.w * u3.w;
      a1_4 += q1.x * u4.x + q1.y * u4.y + q1.z * u4.z + q1.w * u4.w;
      a1_5 += q1.x * u5.x + q1.y * u5.y + q1.z * u5.z + q1.w * u5.w;
      a1_6 += q1.x * u6.x + q1.y * u6.y + q1.z * u6.z + q1.w * u6.w;
      a1_7 += q1.x * u7.x + q1.y * u7.y + q1.z * u7.z + q1.w * u7.w;
      let q2 = vec4<f32>((vec4<i32>(bitcast<i32>(q[row2 + part * 4u + c])) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
      a2_0 += q2.x * u0.x + q2.y * u0.y + q2.z * u0.z + q2.w * u0.w;
      a2_1 += q2.x * u1.x + q2.y * u1.y + q2.z * u1.z + q2.w * u1.w;
      a2_2 += q2.x * u2.x + q2.y * u2.y + q2.z * u2.z + q2.w * u2.w;
      a2_3 += q2.x * u3.x + q2.y * u3.y + q2.z * u3.z + q2.w * u3.w;
      a2_4 += q2.x * u4.x + q2.y * u4.y + q2.z * u4.z + q2.w * u4.w;
      a2_5 += q2.x * u5.x + q2.y * u5.y + q2.z * u5.z + q2.w * u5.w;
      a2_6 += q2.x * u6.x + q2.y * u6.y + q2.z * u6.z + q2.w * u6.w;
      a2_7 += q2.x * u7.x + q2.y * u7.y + q2.z * u7.z + q2.w * u7.w;
      let q3 = vec4<f32>((vec4<i32>(bitcast<i32>(q[row3 + part * 4u + c])) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
      a3_0 += q3.x * u0.x + q3.y * u0.y + q3.z * u0.z + q3.w * u0.w;
      a3_1 += q3.x * u1.x + q3.y * u1.y + q3.z * u1.z + q3.w * u1.w;
      a3_2 += q3.x * u2.x + q3.y * u2.y + q3.z * u2.z + q3.w * u2.w;
      a3_3 += q3.x * u3.x + q3.y * u3.y + q3.z * u3.z + q3.w * u3.w;
      a3_4 += q3.x * u4.x + q3.y * u4.y + q3.z * u4.z + q3.w * u4.w;
      a3_5 += q3.x * u5.x + q3.y * u5.y + q3.z * u5.z + q3.w * u5.w;
      a3_6 += q3.x * u6.x + q3.y * u6.y + q3.z * u6.z + q3.w * u6.w;
      a3_7 += q3.x * u7.x + q3.y * u7.y + q3.z * u7.z + q3.w * u7.w;
      let q4 = vec4<f32>((vec4<i32>(bitcast<i32>(q[row4 + part * 4u + c])) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
      a4_0 += q4.x * u0.x + q4.y * u0.y + q4.z * u0.z + q4.w * u0.w;
      a4_1 += q4.x * u1.x + q4.y * u1.y + q4.z * u1.z + q4.w * u1.w;
      a4_2 += q4.x * u2.x + q4.y * u2.y + q4.z * u2.z + q4.w * u2.w;
      a4_3 += q4.x * u3.x + q4.y * u3.y + q4.z * u3.z + q4.w * u3.w;
      a4_4 += q4.x * u4.x + q4.y * u4.y + q4.z * u4.z + q4.w * u4.w;
      a4_5 += q4.x * u5.x + q4.y * u5.y + q4.z * u5.z + q4.w * u5.w;
      a4_6 += q4.x * u6.x + q4.y * u6.y + q4.z * u6.z + q4.w * u6.w;
      a4_7 += q4.x * u7.x + q4.y * u7.y + q4.z * u7.z + q4.w * u7.w;
      let q5 = vec4<f32>((vec4<i32>(bitcast<i32>(q[row5 + part * 4u + c])) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
      a5_0 += q5.x * u0.x + q5.y * u0.y + q5.z * u0.z + q5.w * u0.w;
      a5_1 += q5.x * u1.x + q5.y * u1.y + q5.z * u1.z + q5.w * u1.w;
      a5_2 += q5.x * u2.x + q5.y * u2.y + q5.z * u2.z + q5.w * u2.w;
      a5_3 += q5.x * u3.x + q5.y * u3.y + q5.z * u3.z + q5.w * u3.w;
      a5_4 += q5.x * u4.x + q5.y * u4.y + q5.z * u4.z + q5.w * u4.w;
      a5_5 += q5.x * u5.x + q5.y * u5.y + q5.z * u5.z + q5.w * u5.w;
      a5_6 += q5.x * u6.x + q5.y * u6.y + q5.z * u6.z + q5.w * u6.w;
      a5_7 += q5.x * u7.x + q5.y * u7.y + q5.z * u7.z + q5.w * u7.w;
      let q6 = vec4<f32>((vec4<i32>(bitcast<i32>(q[row6 + part * 4u + c])) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
      a6_0 += q6.x * u0.x + q6.y * u0.y + q6.z * u0.z + q6.w * u0.w;
      a6_1 += q6.x * u1.x + q6.y * u1.y + q6.z * u1.z + q6.w * u1.w;
      a6_2 += q6.x * u2.x + q6.y * u2.y + q6.z * u2.z + q6.w * u2.w;
      a6_3 += q6.x * u3.x + q6.y * u3.y + q6.z * u3.z + q6.w * u3.w;
      a6_4 += q6.x * u4.x + q6.y * u4.y + q6.z * u4.z + q6.w * u4.w;
      a6_5 += q6.x * u5.x + q6.y * u5.y + q6.z * u5.z + q6.w * u5.w;
      a6_6 += q6.x * u6.x + q6.y * u6.y + q6.z * u6.z + q6.w * u6.w;
      a6_7 += q6.x * u7.x + q6.y * u7.y + q6.z * u7.z + q6.w * u7.w;
      let q7 = vec4<f32>((vec4<i32>(bitcast<i32>(q[row7 + part * 4u + c])) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
      a7_0 += q7.x * u0.x + q7.y * u0.y + q7.z * u0.z + q7.w * u0.w;
      a7_1 += q7.x * u1.x + q7.y * u1.y + q7.z * u1.z + q7.w * u1.w;
      a7_2 += q7.x * u2.x + q7.y * u2.y + q7.z * u2.z + q7.w * u2.w;
      a7_3 += q7.x * u3.x + q7.y * u3.y + q7.z * u3.z + q7.w * u3.w;
      a7_4 += q7.x * u4.x + q7.y * u4.y + q7.z * u4.z + q7.w * u4.w;
      a7_5 += q7.x * u5.x + q7.y * u5.y + q7.z * u5.z + q7.w * u5.w;
      a7_6 += q7.x * u6.x + q7.y * u6.y + q7.z * u6.z + q7.w * u6.w;
      a7_7 += q7.x * u7.x + q7.y * u7.y + q7.z * u7.z + q7.w * u7.w;
    }
  }
  // An array and a loop instead of blockM·blockN copies of the epilogue: those would take longer to compile than to run.
  var results = array<i32, 64>(i32(a0_0), i32(a0_1), i32(a0_2), i32(a0_3), i32(a0_4), i32(a0_5), i32(a0_6), i32(a0_7), i32(a1_0), i32(a1_1), i32(a1_2), i32(a1_3), i32(a1_4), i32(a1_5), i32(a1_6), i32(a1_7), i32(a2_0), i32(a2_1), i32(a2_2), i32(a2_3), i32(a2_4), i32(a2_5), i32(a2_6), i32(a2_7), i32(a3_0), i32(a3_1), i32(a3_2), i32(a3_3), i32(a3_4), i32(a3_5), i32(a3_6), i32(a3_7), i32(a4_0), i32(a4_1), i32(a4_2), i32(a4_3), i32(a4_4), i32(a4_5), i32(a4_6), i32(a4_7), i32(a5_0), i32(a5_1), i32(a5_2), i32(a5_3), i32(a5_4), i32(a5_5), i32(a5_6), i32(a5_7), i32(a6_0), i32(a6_1), i32(a6_2), i32(a6_3), i32(a6_4), i32(a6_5), i32(a6_6), i32(a6_7), i32(a7_0), i32(a7_1), i32(a7_2), i32(a7_3), i32(a7_4), i32(a7_5), i32(a7_6), i32(a7_7), );
  for (var i = 0u; i < 8u; i++) {
    let m = firstRow + i;
    if (m >= rows()) { return; }
    let rowScale = rowScaleAt(rowScaleRow(m));
    let sum = rowSumAt(rowSumRow(m));
    for (var j = 0u; j < 8u; j++) {
      let n = firstColumn + j * 8u;
      store(m, n, f32(results[i * 8u + j] - sum) * rowScale * scalesAt(scalesRow(0u) + n));
    }
  }
}
