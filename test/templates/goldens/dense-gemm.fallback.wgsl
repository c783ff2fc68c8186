@group(0) @binding(0) var<storage, read> x: array<f32>;
fn xRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn xAt(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
fn weightsRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn weightsAt(i: u32) -> vec4<f32> { return weights[i]; }
@group(0) @binding(2) var<storage, read> bias: array<f32>;
fn biasRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
fn biasAt(i: u32) -> f32 { return bias[i]; }
@group(0) @binding(3) var<storage, read> gate: array<f32>;
fn gateRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
fn gateAt(i: u32) -> f32 { return gate[i]; }
@group(0) @binding(4) var<storage, read> residual: array<f32>;
fn residualRow(m: u32) -> u32 { return words[2].y + m * words[2].z; }
fn residualAt(i: u32) -> f32 { return residual[i]; }
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[2].w + m * words[3].x; }
@group(0) @binding(6) var<uniform> words: array<vec4<u32>, 4>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 13u) >> 2u][(j + 13u) & 3u]; }
fn activate(x: f32) -> f32 { return x; }
fn store(m: u32, n: u32, product: f32) {
  if (m >= rows() || n >= 96u) { return; }
  let y = product + biasAt(biasRow(0u) + n);
  out[outRow(m) + n] = residualAt(residualRow(m) + n) + gateAt(gateRow(m) + n) * activate(y);
}
@compute @workgroup_size(8, 8, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let firstRow = (group.y * 8u + local.y) * 8u;
  if (firstRow >= rows()) { return; }
  let firstVector = group.x * 16u + local.x;
  let weightBase = weightsRow(0u) / 4u + firstVector;
  let row0 = xRow(min(firstRow + 0u, rows() - 1u));
  var a0_0 = vec4<f32>();
  var a0_1 = vec4<f32>();
  let row1 = xRow(min(firstRow + 1u, rows() - 1u));
  var a1_0 = vec4<f32>();
  var a1_1 = vec4<f32>();
  let row2 = xRow(min(firstRow + 2u, rows() - 1u));
  var a2_0 = vec4<f32>();
  var a2_1 = vec4<f32>();
  let row3 = xRow(min(firstRow + 3u, rows() - 1u));
  var a3_0 = vec4<f32>();
  var a3_1 = vec4<f32>();
  let row4 = xRow(min(firstRow + 4u, rows() - 1u));
  var a4_0 = vec4<f32>();
  var a4_1 = vec4<f32>();
  let row5 = xRow(min(firstRow + 5u, rows() - 1u));
  var a5_0 = vec4<f32>();
  var a5_1 = vec4<f32>();
  let row6 = xRow(min(firstRow + 6u, rows() - 1u));
  var a6_0 = vec4<f32>();
  var a6_1 = vec4<f32>();
  let row7 = xRow(min(firstRow + 7u, rows() - 1u));
  var a7_0 = vec4<f32>();
  var a7_1 = vec4<f32>();
  for (var k = 0u; k < 80u; k += 4u) {
    let w0_0 = weights[weightBase + (k + 0u) * 32u + 0u];
    let w0_1 = weights[weightBase + (k + 1u) * 32u + 0u];
    let w0_2 = weights[weightBase + (k + 2u) * 32u + 0u];
    let w0_3 = weights[weightBase + (k + 3u) * 32u + 0u];
    let w1_0 = weights[weightBase + (k + 0u) * 32u + 8u];
    let w1_1 = weights[weightBase + (k + 1u) * 32u + 8u];
    let w1_2 = weights[weightBase + (k + 2u) * 32u + 8u];
    let w1_3 = weights[weightBase + (k + 3u) * 32u + 8u];
    let x0 = vec4<f32>(x[row0 + k], x[row0 + k + 1u], x[row0 + k + 2u], x[row0 + k + 3u]);
    a0_0 += x0.x * w0_0 + x0.y * w0_1 + x0.z * w0_2 + x0.w * w0_3;
    a0_1 += x0.x * w1_0 + x0.y * w1_1 + x0.z * w1_2 + x0.w * w1_3;
    let x1 = vec4<f32>(x[row1 + k], x[row1 + k + 1u], x[row1 + k + 2u], x[row1 + k + 3u]);
    a1_0 += x1.x * w0_0 + x1.y * w0_1 + x1.z * w0_2 + x1.w * w0_3;
    a1_1 += x1.x * w1_0 + x1.y * w1_1 + x1.z * w1_2 + x1.w * w1_3;
    let x2 = vec4<f32>(x[row2 + k], x[row2 + k + 1u], x[row2 + k + 2u], x[row2 + k + 3u]);
    a2_0 += x2.x * w0_0 + x2.y * w0_1 + x2.z * w0_2 + x2.w * w0_3;
    a2_1 += x2.x * w1_0 + x2.y * w1_1 + x2.z * w1_2 + x2.w * w1_3;
    let x3 = vec4<f32>(x[row3 + k], x[row3 + k + 1u], x[row3 + k + 2u], x[row3 + k + 3u]);
    a3_0 += x3.x * w0_0 + x3.y * w0_1 + x3.z * w0_2 + x3.w * w0_3;
    a3_1 += x3.x * w1_0 + x3.y * w1_1 + x3.z * w1_2 + x3.w * w1_3;
    let x4 = vec4<f32>(x[row4 + k], x[row4 + k + 1u], x[row4 + k + 2u], x[row4 + k + 3u]);
    a4_0 += x4.x * w0_0 + x4.y * w0_1 + x4.z * w0_2 + x4.w * w0_3;
    a4_1 += x4.x * w1_0 + x4.y * w1_1 + x4.z * w1_2 + x4.w * w1_3;
    let x5 = vec4<f32>(x[row5 + k], x[row5 + k + 1u], x[row5 + k + 2u], x[row5 + k + 3u]);
    a5_0 += x5.x * w0_0 + x5.y * w0_1 + x5.z * w0_2 + x5.w * w0_3;
    a5_1 += x5.x * w1_0 + x5.y * w1_1 + x5.z * w1_2 + x5.w * w1_3;
    let x6 = vec4<f32>(x[row6 + k], x[row6 + k + 1u], x[row6 + k + 2u], x[row6 + k + 3u]);
    a6_0 += x6.x * w0_0 + x6.y * w0_1 + x6.z * w0_2 + x6.w * w0_3;
    a6_1 += x6.x * w1_0 + x6.y * w1_1 + x6.z * w1_2 + x6.w * w1_3;
    let x7 = vec4<f32>(x[row7 + k], x[row7 + k + 1u], x[row7 + k + 2u], x[row7 + k + 3u]);
    a7_0 += x7.x * w0_0 + x7.y * w0_1 + x7.z * w0_2 + x7.w * w0_3;
    a7_1 += x7.x * w1_0 + x7.y * w1_1 + x7.z * w1_2 + x7.w * w1_3;
  }
  for (var k = 80u; k < 80u; k++) {
    a0_0 += x[row0 + k] * weights[weightBase + k * 32u + 0u];
    a0_1 += x[row0 + k] * weights[weightBase + k * 32u + 8u];
    a1_0 += x[row1 + k] * weights[weightBase + k * 32u + 0u];
    a1_1 += x[row1 + k] * weights[weightBase + k * 32u + 8u];
    a2_0 += x[row2 + k] * weights[weightBase + k * 32u + 0u];
    a2_1 += x[row2 + k] * weights[weightBase + k * 32u + 8u];
    a3_0 += x[row3 + k] * weights[weightBase + k * 32u + 0u];
    a3_1 += x[row3 + k] * weights[weightBase + k * 32u + 8u];
    a4_0 += x[row4 + k] * weights[weightBase + k * 32u + 0u];
    a4_1 += x[row4 + k] * weights[weightBase + k * 32u + 8u];
    a5_0 += x[row5 + k] * weights[weightBase + k * 32u + 0u];
    a5_1 += x[row5 + k] * weights[weightBase + k * 32u + 8u];
    a6_0 += x[row6 + k] * weights[weightBase + k * 32u + 0u];
    a6_1 += x[row6 + k] * weights[weightBase + k * 32u + 8u];
    a7_0 += x[row7 + k] * weights[weightBase + k * 32u + 0u];
    a7_1 += x[row7 + k] * weights[weightBase + k * 32u + 8u];
  }
  // An array and a loop instead of a copy of the epilogue per output: those would take longer to compile than to run.
  var results = array<vec4<f32>, 16>(a0_0, a0_1, a1_0, a1_1, a2_0, a2_1, a3_0, a3_1, a4_0, a4_1, a5_0, a5_1, a6_0, a6_1, a7_0, a7_1, );
  for (var i = 0u; i < 8u; i++) {
    let m = firstRow + i;
    if (m >= rows()) { return; }
    for (var j = 0u; j < 2u; j++) {
      for (var c = 0u; c < 4u; c++) {
        store(m, (firstVector + j * 8u) * 4u + c, results[i * 2u + j][c]);
      }
    }
  }
}
