@group(0) @binding(0) var<storage, read> x: array<f32>;
fn xRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn xAt(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
fn weightsRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn weightsAt(i: u32) -> vec4<u32> { return weights[i]; }
@group(0) @binding(2) var<storage, read> bias: array<f32>;
fn biasRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
fn biasAt(i: u32) -> f32 { return bias[i]; }
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
@group(0) @binding(4) var<uniform> words: array<vec4<u32>, 3>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 9u) >> 2u][(j + 9u) & 3u]; }
// x/2·(1 + tanh(u)) = x / (1 + e^(−2u)), u = sqrt(2/pi)·(x + 0.044715 x³)
fn activate(x: f32) -> f32 {
  return x / (1.0 + exp(min(-1.5957691216 * (x + 0.044715 * x * x * x), 80.0)));
}
fn store(m: u32, n: u32, product: f32) {
  if (m >= rows() || n >= 96u) { return; }
  let y = product + biasAt(biasRow(0u) + n);
  out[outRow(m) + n] = activate(y);
}
fn wordsOf(vector: u32, word: u32) -> vec4<u32> {
  return weights[weightsRow(0u) / 4u + min(word, 23u) * 32u + vector];
}
fn scalesOf(vector: u32, k: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(weights[weightsRow(0u) / 4u + 768u + (k / 32u) * 32u + vector]);
}
fn elementsOf(words: vec4<u32>, e: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(words << vec4<u32>(24u - 8u * e)) >> vec4<u32>(24u));
}
// Weights of 4 columns at k.
fn weightAt(vector: u32, k: u32) -> vec4<f32> {
  return scalesOf(vector, k) * elementsOf(wordsOf(vector, k / 4u), k % 4u);
}

// Weights of 4 columns at k to k + 3, k a multiple of 4.
fn weightsOfFour(vector: u32, k: u32) -> array<vec4<f32>, 4> {
  let scale = scalesOf(vector, k);
  let first = 0u;
  let all = wordsOf(vector, k / 4u);
  return array<vec4<f32>, 4>(scale * elementsOf(all, first), scale * elementsOf(all, first + 1u),
    scale * elementsOf(all, first + 2u), scale * elementsOf(all, first + 3u));
}

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let firstRow = (group.y * 8u + local.y) * 8u;
  if (firstRow >= rows()) { return; }
  let firstVector = group.x * 16u + local.x;
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
  for (var k = 0u; k < 96u; k += 4u) {
    let four0 = weightsOfFour(firstVector + 0u, k);
    let w0_0 = four0[0];
    let w0_1 = four0[1];
    let w0_2 = four0[2];
    let w0_3 = four0[3];
    let four1 = weightsOfFour(firstVector + 8u, k);
    let w1_0 = four1[0];
    let w1_1 = four1[1];
    let w1_2 = four1[2];
    let w1_3 = four1[3];
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
  for (var k = 96u; k < 96u; k++) {
    a0_0 += x[row0 + k] * weightAt(firstVector + 0u, k);
    a0_1 += x[row0 + k] * weightAt(firstVector + 8u, k);
    a1_0 += x[row1 + k] * weightAt(firstVector + 0u, k);
    a1_1 += x[row1 + k] * weightAt(firstVector + 8u, k);
    a2_0 += x[row2 + k] * weightAt(firstVector + 0u, k);
    a2_1 += x[row2 + k] * weightAt(firstVector + 8u, k);
    a3_0 += x[row3 + k] * weightAt(firstVector + 0u, k);
    a3_1 += x[row3 + k] * weightAt(firstVector + 8u, k);
    a4_0 += x[row4 + k] * weightAt(firstVector + 0u, k);
    a4_1 += x[row4 + k] * weightAt(firstVector + 8u, k);
    a5_0 += x[row5 + k] * weightAt(firstVector + 0u, k);
    a5_1 += x[row5 + k] * weightAt(firstVector + 8u, k);
    a6_0 += x[row6 + k] * weightAt(firstVector + 0u, k);
    a6_1 += x[row6 + k] * weightAt(firstVector + 8u, k);
    a7_0 += x[row7 + k] * weightAt(firstVector + 0u, k);
    a7_1 += x[row7 + k] * weightAt(firstVector + 8u, k);
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
