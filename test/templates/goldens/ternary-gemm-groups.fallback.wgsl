@group(0) @binding(0) var<storage, read> q: array<u32>;
fn qRow(m: u32) -> u32 { return (words[0].y >> 2u) + m * (words[0].z >> 2u); }
fn qAt(i: u32) -> u32 { return q[i]; }
@group(0) @binding(1) var<storage, read> rowScale: array<f32>;
fn rowScaleRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn rowScaleAt(i: u32) -> f32 { return rowScale[i]; }
@group(0) @binding(2) var<storage, read> weights: array<u32>;
fn weightsRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
fn weightsAt(i: u32) -> u32 { return weights[i]; }
@group(0) @binding(3) var<storage, read> scales: array<f32>;
fn scalesRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
fn scalesAt(i: u32) -> f32 { return scales[i]; }
@group(0) @binding(4) var<storage, read> bias: array<f32>;
fn biasRow(m: u32) -> u32 { return words[2].y + m * words[2].z; }
fn biasAt(i: u32) -> f32 { return bias[i]; }
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[2].w + m * words[3].x; }
@group(0) @binding(6) var<uniform> words: array<vec4<u32>, 4>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 13u) >> 2u][(j + 13u) & 3u]; }
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
  let firstRow = (group.y * 8u + local.y) * 4u;
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
  var y0_0 = 0.0;
  var y0_1 = 0.0;
  var y0_2 = 0.0;
  var y0_3 = 0.0;
  var y0_4 = 0.0;
  var y0_5 = 0.0;
  var y0_6 = 0.0;
  var y0_7 = 0.0;
  var y1_0 = 0.0;
  var y1_1 = 0.0;
  var y1_2 = 0.0;
  var y1_3 = 0.0;
  var y1_4 = 0.0;
  var y1_5 = 0.0;
  var y1_6 = 0.0;
  var y1_7 = 0.0;
  var y2_0 = 0.0;
  var y2_1 = 0.0;
  var y2_2 = 0.0;
  var y2_3 = 0.0;
  var y2_4 = 0.0;
  var y2_5 = 0.0;
  var y2_6 = 0.0;
  var y2_7 = 0.0;
  var y3_0 = 0.0;
  var y3_1 = 0.0;
  var y3_2 = 0.0;
  var y3_3 = 0.0;
  var y3_4 = 0.0;
  var y3_5 = 0.0;
  var y3_6 = 0.0;
  var y3_7 = 0.0;
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
      let u0 = vec4<f32>((vec4<u32>(w0) >> shifts) & vec4<u32>(3u)) - 1.0;
      let u1 = vec4<f32>((vec4<u32>(w1) >> shifts) & vec4<u32>(3u)) - 1.0;
      let u2 = vec4<f32>((vec4<u32>(w2) >> shifts) & vec4<u32>(3u)) - 1.0;
      let u3 = vec4<f32>((vec4<u32>(w3) >> shifts) & vec4<u32>(3u)) - 1.0;
      let u4 = vec4<f32>((vec4<u32>(w4) >> shifts) & vec4<u32>(3u)) - 1.0;
      let u5 = vec4<f32>((vec4<u32>(w5) >> shifts) & vec4<u32>(3u)) - 1.0;
      let u6 = vec4<f32>((vec4<u32>(w6) >> shifts) & vec4<u32>(3u)) - 1.0;
      let u7 = vec4<f32>((vec4<u32>(w7) >> shifts) & vec4<u32>(3u)) - 1.0;
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
    }
    // The sum of a group of inputs is whole: it counts times its scale.
    if ((part + 1u) % 2u == 0u || part + 1u == 5u) {
      let scaleRow = scalesRow(0u) + (part / 2u) * 128u + firstColumn;
      let s0 = scales[scaleRow + 0u];
      let s1 = scales[scaleRow + 8u];
      let s2 = scales[scaleRow + 16u];
      let s3 = scales[scaleRow + 24u];
      let s4 = scales[scaleRow + 32u];
      let s5 = scales[scaleRow + 40u];
      let s6 = scales[scaleRow + 48u];
      let s7 = scales[scaleRow + 56u];
      y0_0 += (a0_0) * s0;
      a0_0 = 0.0;
      y0_1 += (a0_1) * s1;
      a0_1 = 0.0;
      y0_2 += (a0_2) * s2;
      a0_2 = 0.0;
      y0_3 += (a0_3) * s3;
      a0_3 = 0.0;
      y0_4 += (a0_4) * s4;
      a0_4 = 0.0;
      y0_5 += (a0_5) * s5;
      a0_5 = 0.0;
      y0_6 += (a0_6) * s6;
      a0_6 = 0.0;
      y0_7 += (a0_7) * s7;
      a0_7 = 0.0;
      y1_0 += (a1_0) * s0;
      a1_0 = 0.0;
      y1_1 += (a1_1) * s1;
      a1_1 = 0.0;
      y1_2 += (a1_2) * s2;
      a1_2 = 0.0;
      y1_3 += (a1_3) * s3;
      a1_3 = 0.0;
      y1_4 += (a1_4) * s4;
      a1_4 = 0.0;
      y1_5 += (a1_5) * s5;
      a1_5 = 0.0;
      y1_6 += (a1_6) * s6;
      a1_6 = 0.0;
      y1_7 += (a1_7) * s7;
      a1_7 = 0.0;
      y2_0 += (a2_0) * s0;
      a2_0 = 0.0;
      y2_1 += (a2_1) * s1;
      a2_1 = 0.0;
      y2_2 += (a2_2) * s2;
      a2_2 = 0.0;
      y2_3 += (a2_3) * s3;
      a2_3 = 0.0;
      y2_4 += (a2_4) * s4;
      a2_4 = 0.0;
      y2_5 += (a2_5) * s5;
      a2_5 = 0.0;
      y2_6 += (a2_6) * s6;
      a2_6 = 0.0;
      y2_7 += (a2_7) * s7;
      a2_7 = 0.0;
      y3_0 += (a3_0) * s0;
      a3_0 = 0.0;
      y3_1 += (a3_1) * s1;
      a3_1 = 0.0;
      y3_2 += (a3_2) * s2;
      a3_2 = 0.0;
      y3_3 += (a3_3) * s3;
      a3_3 = 0.0;
      y3_4 += (a3_4) * s4;
      a3_4 = 0.0;
      y3_5 += (a3_5) * s5;
      a3_5 = 0.0;
      y3_6 += (a3_6) * s6;
      a3_6 = 0.0;
      y3_7 += (a3_7) * s7;
      a3_7 = 0.0;
    }
  }
  // An array and a loop instead of blockM·blockN copies of the epilogue: those would take longer to compile than to run.
  var results = array<f32, 32>(y0_0, y0_1, y0_2, y0_3, y0_4, y0_5, y0_6, y0_7, y1_0, y1_1, y1_2, y1_3, y1_4, y1_5, y1_6, y1_7, y2_0, y2_1, y2_2, y2_3, y2_4, y2_5, y2_6, y2_7, y3_0, y3_1, y3_2, y3_3, y3_4, y3_5, y3_6, y3_7, );
  for (var i = 0u; i < 4u; i++) {
    let m = firstRow + i;
    if (m >= rows()) { return; }
    let rowScale = rowScaleAt(rowScaleRow(m));
    for (var j = 0u; j < 8u; j++) {
      let n = firstColumn + j * 8u;
      store(m, n, results[i * 8u + j] * rowScale);
    }
  }
}
