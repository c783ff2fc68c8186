requires packed_4x8_integer_dot_product;
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
const TILE_M = 64u;
const TILE_N = 64u;
const GROUPS = 4u;
// One row more of words apart, so that rows of different invocations fall into different banks.
const PITCH = 5u;
var<workgroup> tile: array<vec4<u32>, 320>;

@compute @workgroup_size(8, 8, 1)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let tileRow = group.y * TILE_M;
  let firstRow = tileRow + local.y * 8u;
  let firstColumn = group.x * TILE_N + local.x;
  let weightBase = weightsRow(0u);
  var a0_0 = 0i;
  var a0_1 = 0i;
  var a0_2 = 0i;
  var a0_3 = 0i;
  var a0_4 = 0i;
  var a0_5 = 0i;
  var a0_6 = 0i;
  var a0_7 = 0i;
  var a1_0 = 0i;
  var a1_1 = 0i;
  var a1_2 = 0i;
  var a1_3 = 0i;
  var a1_4 = 0i;
  var a1_5 = 0i;
  var a1_6 = 0i;
  var a1_7 = 0i;
  var a2_0 = 0i;
  var a2_1 = 0i;
  var a2_2 = 0i;
  var a2_3 = 0i;
  var a2_4 = 0i;
  var a2_5 = 0i;
  var a2_6 = 0i;
  var a2_7 = 0i;
  var a3_0 = 0i;
  var a3_1 = 0i;
  var a3_2 = 0i;
  var a3_3 = 0i;
  var a3_4 = 0i;
  var a3_5 = 0i;
  var a3_6 = 0i;
  var a3_7 = 0i;
  var a4_0 = 0i;
  var a4_1 = 0i;
  var a4_2 = 0i;
  var a4_3 = 0i;
  var a4_4 = 0i;
  var a4_5 = 0i;
  var a4_6 = 0i;
  var a4_7 = 0i;
  var a5_0 = 0i;
  var a5_1 = 0i;
  var a5_2 = 0i;
  var a5_3 = 0i;
  var a5_4 = 0i;
  var a5_5 = 0i;
  var a5_6 = 0i;
  var a5_7 = 0i;
  var a6_0 = 0i;
  var a6_1 = 0i;
  var a6_2 = 0i;
  var a6_3 = 0i;
  var a6_4 = 0i;
  var a6_5 = 0i;
  var a6_6 = 0i;
  var a6_7 = 0i;
  var a7_0 = 0i;
  var a7_1 = 0i;
  var a7_2 = 0i;
  var a7_3 = 0i;
  var a7_4 = 0i;
  var a7_5 = 0i;
  var a7_6 = 0i;
  var a7_7 = 0i;
  for (var stage = 0u; stage < 5u; stage += GROUPS) {
    workgroupBarrier();
    for (var i = lane; i < TILE_M * GROUPS; i += 64u) {
      let row = min(tileRow + i / GROUPS, rows() - 1u);
      let part = i % GROUPS;
      var codes = vec4<u32>();
      if (stage + part < 5u) {
        let at = qRow(row) + (stage + part) * 4u;
        codes = vec4<u32>(q[at], q[at + 1u], q[at + 2u], q[at + 3u]);
      }
      tile[(i / GROUPS) * PITCH + part] = codes;
    }
    workgroupBarrier();
    // Rows beyond the last are not worth the arithmetic; the barriers above are for all.
    let count = select(0u, min(GROUPS, 5u - stage), firstRow < rows());
    for (var part = 0u; part < count; part++) {
      let weightRow = weightBase + (stage + part) * 128u + firstColumn;
      let w0 = weights[weightRow + 0u];
      let w1 = weights[weightRow + 8u];
      let w2 = weights[weightRow + 16u];
      let w3 = weights[weightRow + 24u];
      let w4 = weights[weightRow + 32u];
      let w5 = weights[weightRow + 40u];
      let w6 = weights[weightRow + 48u];
      let w7 = weights[weightRow + 56u];
      let q0 = tile[(local.y * 8u + 0u) * PITCH + part];
      let q1 = tile[(local.y * 8u + 1u) * PITCH + part];
      let q2 = tile[(local.y * 8u + 2u) * PITCH + part];
      let q3 = tile[(local.y * 8u + 3u) * PITCH + part];
      let q4 = tile[(local.y * 8u + 4u) * PITCH + part];
      let q5 = tile[(local.y * 8u + 5u) * PITCH + part];
      let q6 = tile[(local.y * 8u + 6u) * PITCH + part];
      let q7 = tile[(local.y * 8u + 7u) * PITCH + part];
      for (var c = 0u; c < 4u; c++) {
        let u0 = (w0 >> (c * 2u)) & 0x03030303u;
        let u1 = (w1 >> (c * 2u)) & 0x03030303u;
        let u2 = (w2 >> (c * 2u)) & 0x03030303u;
        let u3 = (w3 >> (c * 2u)) & 0x03030303u;
        let u4 = (w4 >> (c * 2u)) & 0x03030303u;
        let u5 = (w5 >> (c * 2u)) & 0x03030303u;
        let u6 = (w6 >> (c * 2u)) & 0x03030303u;
        let u7 = (w7 >> (c * 2u)) & 0x03030303u;
        a0_0 += dot4I8Packed(q0[c], u0);
        a0_1 += dot4I8Packed(q0[c], u1);
        a0_2 += dot4I8Packed(q0[c], u2);
        a0_3 += dot4I8Packed(q0[c], u3);
        a0_4 += dot4I8Packed(q0[c], u4);
        a0_5 += dot4I8Packed(q0[c], u5);
        a0_6 += dot4I8Packed(q0[c], u6);
        a0_7 += dot4I8Packed(q0[c], u7);
        a1_0 += dot4I8Packed(q1[c], u0);
        a1_1 += dot4I8Packed(q1[c], u1);
        a1_2 += dot4I8Packed(q1[c], u2);
        a1_3 += dot4I8Packed(q1[c], u3);
        a1_4 += dot4I8Packed(q1[c], u4);
        a1_5 += dot4I8Packed(q1[c], u5);
        a1_6 += dot4I8Packed(q1[c], u6);
        a1_7 += dot4I8Packed(q1[c], u7);
        a2_0 += dot4I8Packed(q2[c], u0);
        a2_1 += dot4I8Packed(q2[c], u1);
        a2_2 += dot4I8Packed(q2[c], u2);
        a2_3 += dot4I8Packed(q2[c], u3);
        a2_4 += dot4I8Packed(q2[c], u4);
        a2_5 += dot4I8Packed(q2[c], u5);
        a2_6 += dot4I8Packed(q2[c], u6);
        a2_7 += dot4I8Packed(q2[c], u7);
        a3_0 += dot4I8Packed(q3[c], u0);
        a3_1 += dot4I8Packed(q3[c], u1);
        a3_2 += dot4I8Packed(q3[c], u2);
        a3_3 += dot4I8Packed(q3[c], u3);
        a3_4 += dot4I8Packed(q3[c], u4);
        a3_5 += dot4I8Packed(q3[c], u5);
        a3_6 += dot4I8Packed(q3[c], u6);
        a3_7 += dot4I8Packed(q3[c], u7);
        a4_0 += dot4I8Packed(q4[c], u0);
        a4_1 += dot4I8Packed(q4[c], u1);
        a4_2 += dot4I8Packed(q4[c], u2);
        a4_3 += dot4I8Packed(q4[c], u3);
        a4_4 += dot4I8Packed(q4[c], u4);
        a4_5 += dot4I8Packed(q4[c], u5);
        a4_6 += dot4I8Packed(q4[c], u6);
        a4_7 += dot4I8Packed(q4[c], u7);
        a5_0 += dot4I8Packed(q5[c], u0);
        a5_1 += dot4I8Packed(q5[c], u1);
        a5_2 += dot4I8Packed(q5[c], u2);
        a5_3 += dot4I8Packed(q5[c], u3);
        a5_4 += dot4I8Packed(q5[c], u4);
        a5_5 += dot4I8Packed(q5[c], u5);
        a5_6 += dot4I8Packed(q5[c], u6);
        a5_7 += dot4I8Packed(q5[c], u7);
        a6_0 += dot4I8Packed(q6[c], u0);
        a6_1 += dot4I8Packed(q6[c], u1);
        a6_2 += dot4I8Packed(q6[c], u2);
        a6_3 += dot4I8Packed(q6[c], u3);
        a6_4 += dot4I8Packed(q6[c], u4);
        a6_5 += dot4I8Packed(q6[c], u5);
        a6_6 += dot4I8Packed(q6[c], u6);
        a6_7 += dot4I8Packed(q6[c], u7);
        a7_0 += dot4I8Packed(q7[c], u0);
        a7_1 += dot4I8Packed(q7[c], u1);
        a7_2 += dot4I8Packed(q7[c], u2);
        a7_3 += dot4I8Packed(q7[c], u3);
        a7_4 += dot4I8Packed(q7[c], u4);
        a7_5 += dot4I8Packed(q7[c], u5);
        a7_6 += dot4I8Packed(q7[c], u6);
        a7_7 += dot4I8Packed(q7[c], u7);
      }
    }
  }
  // An array and a loop instead of blockM·blockN copies of the epilogue: those would take longer to compile than to run.
  var results = array<i32, 64>(a0_0, a0_1, a0_2, a0_3, a0_4, a0_5, a0_6, a0_7, a1_0, a1_1, a1_2, a1_3, a1_4, a1_5, a1_6, a1_7, a2_0, a2_1, a2_2, a2_3, a2_4, a2_5, a2_6, a2_7, a3_0, a3_1, a3_2, a3_3, a3_4, a3_5, a3_6, a3_7, a4_0, a4_1, a4_2, a4_3, a4_4, a4_5, a4_6, a4_7, a5_0, a5_1, a5_2, a5_3, a5_4, a5_5, a5_6, a5_7, a6_0, a6_1, a6_2, a6_3, a6_4, a6_5, a6_6, a6_7, a7_0, a7_1, a7_2, a7_3, a7_4, a7_5, a7_6, a7_7, );
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
