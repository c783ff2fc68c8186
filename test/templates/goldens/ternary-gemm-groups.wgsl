requires packed_4x8_integer_dot_product;
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
const TILE_M = 32u;
const TILE_N = 64u;
const GROUPS = 4u;
// One row more of words apart, so that rows of different invocations fall into different banks.
const PITCH = 5u;
var<workgroup> tile: array<vec4<u32>, 160>;

@compute @workgroup_size(8, 8, 1)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let tileRow = group.y * TILE_M;
  let firstRow = tileRow + local.y * 4u;
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
      let q0 = tile[(local.y * 4u + 0u) * PITCH + part];
      let q1 = tile[(local.y * 4u + 1u) * PITCH + part];
      let q2 = tile[(local.y * 4u + 2u) * PITCH + part];
      let q3 = tile[(local.y * 4u + 3u) * PITCH + part];
      for (var c = 0u; c < 4u; c++) {
        // t = u - 1 in each byte
        let u0 = (((w0 >> (c * 2u)) & 0x03030303u) + 0x7f7f7f7fu) ^ 0x80808080u;
        // t = u - 1 in each byte
        let u1 = (((w1 >> (c * 2u)) & 0x03030303u) + 0x7f7f7f7fu) ^ 0x80808080u;
        // t = u - 1 in each byte
        let u2 = (((w2 >> (c * 2u)) & 0x03030303u) + 0x7f7f7f7fu) ^ 0x80808080u;
        // t = u - 1 in each byte
        let u3 = (((w3 >> (c * 2u)) & 0x03030303u) + 0x7f7f7f7fu) ^ 0x80808080u;
        // t = u - 1 in each byte
        let u4 = (((w4 >> (c * 2u)) & 0x03030303u) + 0x7f7f7f7fu) ^ 0x80808080u;
        // t = u - 1 in each byte
        let u5 = (((w5 >> (c * 2u)) & 0x03030303u) + 0x7f7f7f7fu) ^ 0x80808080u;
        // t = u - 1 in each byte
        let u6 = (((w6 >> (c * 2u)) & 0x03030303u) + 0x7f7f7f7fu) ^ 0x80808080u;
        // t = u - 1 in each byte
        let u7 = (((w7 >> (c * 2u)) & 0x03030303u) + 0x7f7f7f7fu) ^ 0x80808080u;
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
      }
      // The sum of a group of inputs is whole: it counts times its scale.
      if ((stage + part + 1u) % 2u == 0u || stage + part + 1u == 5u) {
        let scaleRow = scalesRow(0u) + ((stage + part) / 2u) * 128u + firstColumn;
        let s0 = scales[scaleRow + 0u];
        let s1 = scales[scaleRow + 8u];
        let s2 = scales[scaleRow + 16u];
        let s3 = scales[scaleRow + 24u];
        let s4 = scales[scaleRow + 32u];
        let s5 = scales[scaleRow + 40u];
        let s6 = scales[scaleRow + 48u];
        let s7 = scales[scaleRow + 56u];
        y0_0 += f32(a0_0) * s0;
        a0_0 = 0i;
        y0_1 += f32(a0_1) * s1;
        a0_1 = 0i;
        y0_2 += f32(a0_2) * s2;
        a0_2 = 0i;
        y0_3 += f32(a0_3) * s3;
        a0_3 = 0i;
        y0_4 += f32(a0_4) * s4;
        a0_4 = 0i;
        y0_5 += f32(a0_5) * s5;
        a0_5 = 0i;
        y0_6 += f32(a0_6) * s6;
        a0_6 = 0i;
        y0_7 += f32(a0_7) * s7;
        a0_7 = 0i;
        y1_0 += f32(a1_0) * s0;
        a1_0 = 0i;
        y1_1 += f32(a1_1) * s1;
        a1_1 = 0i;
        y1_2 += f32(a1_2) * s2;
        a1_2 = 0i;
        y1_3 += f32(a1_3) * s3;
        a1_3 = 0i;
        y1_4 += f32(a1_4) * s4;
        a1_4 = 0i;
        y1_5 += f32(a1_5) * s5;
        a1_5 = 0i;
        y1_6 += f32(a1_6) * s6;
        a1_6 = 0i;
        y1_7 += f32(a1_7) * s7;
        a1_7 = 0i;
        y2_0 += f32(a2_0) * s0;
        a2_0 = 0i;
        y2_1 += f32(a2_1) * s1;
        a2_1 = 0i;
        y2_2 += f32(a2_2) * s2;
        a2_2 = 0i;
        y2_3 += f32(a2_3) * s3;
        a2_3 = 0i;
        y2_4 += f32(a2_4) * s4;
        a2_4 = 0i;
        y2_5 += f32(a2_5) * s5;
        a2_5 = 0i;
        y2_6 += f32(a2_6) * s6;
        a2_6 = 0i;
        y2_7 += f32(a2_7) * s7;
        a2_7 = 0i;
        y3_0 += f32(a3_0) * s0;
        a3_0 = 0i;
        y3_1 += f32(a3_1) * s1;
        a3_1 = 0i;
        y3_2 += f32(a3_2) * s2;
        a3_2 = 0i;
        y3_3 += f32(a3_3) * s3;
        a3_3 = 0i;
        y3_4 += f32(a3_4) * s4;
        a3_4 = 0i;
        y3_5 += f32(a3_5) * s5;
        a3_5 = 0i;
        y3_6 += f32(a3_6) * s6;
        a3_6 = 0i;
        y3_7 += f32(a3_7) * s7;
        a3_7 = 0i;
      }
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
