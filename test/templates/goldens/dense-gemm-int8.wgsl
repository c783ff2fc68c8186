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
const TILE_M = 64u;
const TILE_VECTORS = 16u;
const STAGE = 16u;
// One more vector than a row holds, against bank conflicts.
const PITCH = 5u;
var<workgroup> xTile: array<vec4<f32>, 320>;
var<workgroup> wTile: array<vec4<f32>, 256>;

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

fn xOrZero(row: u32, k: u32) -> f32 {
  if (k >= 96u) { return 0.0; }
  return x[row + k];
}

@compute @workgroup_size(8, 8, 1)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let tileRow = group.y * TILE_M;
  let firstRow = tileRow + local.y * 8u;
  let tileVector = group.x * TILE_VECTORS;
  var a0_0 = vec4<f32>();
  var a0_1 = vec4<f32>();
  var a1_0 = vec4<f32>();
  var a1_1 = vec4<f32>();
  var a2_0 = vec4<f32>();
  var a2_1 = vec4<f32>();
  var a3_0 = vec4<f32>();
  var a3_1 = vec4<f32>();
  var a4_0 = vec4<f32>();
  var a4_1 = vec4<f32>();
  var a5_0 = vec4<f32>();
  var a5_1 = vec4<f32>();
  var a6_0 = vec4<f32>();
  var a6_1 = vec4<f32>();
  var a7_0 = vec4<f32>();
  var a7_1 = vec4<f32>();
  for (var stage = 0u; stage < 96u; stage += STAGE) {
    workgroupBarrier();
    for (var i = lane; i < TILE_M * 4u; i += 64u) {
      let row = xRow(min(tileRow + i / 4u, rows() - 1u));
      let k = stage + (i % 4u) * 4u;
      xTile[(i / 4u) * PITCH + i % 4u] = vec4<f32>(xOrZero(row, k), xOrZero(row, k + 1u), xOrZero(row, k + 2u), xOrZero(row, k + 3u));
    }
    for (var i = lane; i < 4u * TILE_VECTORS; i += 64u) {
      // Weights past the last row of the layout meet zeros of x.
      let vector = i % TILE_VECTORS;
      let words4 = wordsOf(tileVector + vector, stage / 4u + i / TILE_VECTORS);
      let scale = scalesOf(tileVector + vector, min(stage, 95u));
      let to = (i / TILE_VECTORS) * 4u * TILE_VECTORS + vector;
      wTile[to + 0u * TILE_VECTORS] = scale * elementsOf(words4, 0u);
      wTile[to + 1u * TILE_VECTORS] = scale * elementsOf(words4, 1u);
      wTile[to + 2u * TILE_VECTORS] = scale * elementsOf(words4, 2u);
      wTile[to + 3u * TILE_VECTORS] = scale * elementsOf(words4, 3u);
    }
    workgroupBarrier();
    if (firstRow < rows()) {
      for (var part = 0u; part < 4u; part++) {
        let w0_0 = wTile[(part * 4u + 0u) * TILE_VECTORS + local.x + 0u];
        let w0_1 = wTile[(part * 4u + 1u) * TILE_VECTORS + local.x + 0u];
        let w0_2 = wTile[(part * 4u + 2u) * TILE_VECTORS + local.x + 0u];
        let w0_3 = wTile[(part * 4u + 3u) * TILE_VECTORS + local.x + 0u];
        let w1_0 = wTile[(part * 4u + 0u) * TILE_VECTORS + local.x + 8u];
        let w1_1 = wTile[(part * 4u + 1u) * TILE_VECTORS + local.x + 8u];
        let w1_2 = wTile[(part * 4u + 2u) * TILE_VECTORS + local.x + 8u];
        let w1_3 = wTile[(part * 4u + 3u) * TILE_VECTORS + local.x + 8u];
        let x0 = xTile[(local.y * 8u + 0u) * PITCH + part];
        a0_0 += x0.x * w0_0 + x0.y * w0_1 + x0.z * w0_2 + x0.w * w0_3;
        a0_1 += x0.x * w1_0 + x0.y * w1_1 + x0.z * w1_2 + x0.w * w1_3;
        let x1 = xTile[(local.y * 8u + 1u) * PITCH + part];
        a1_0 += x1.x * w0_0 + x1.y * w0_1 + x1.z * w0_2 + x1.w * w0_3;
        a1_1 += x1.x * w1_0 + x1.y * w1_1 + x1.z * w1_2 + x1.w * w1_3;
        let x2 = xTile[(local.y * 8u + 2u) * PITCH + part];
        a2_0 += x2.x * w0_0 + x2.y * w0_1 + x2.z * w0_2 + x2.w * w0_3;
        a2_1 += x2.x * w1_0 + x2.y * w1_1 + x2.z * w1_2 + x2.w * w1_3;
        let x3 = xTile[(local.y * 8u + 3u) * PITCH + part];
        a3_0 += x3.x * w0_0 + x3.y * w0_1 + x3.z * w0_2 + x3.w * w0_3;
        a3_1 += x3.x * w1_0 + x3.y * w1_1 + x3.z * w1_2 + x3.w * w1_3;
        let x4 = xTile[(local.y * 8u + 4u) * PITCH + part];
        a4_0 += x4.x * w0_0 + x4.y * w0_1 + x4.z * w0_2 + x4.w * w0_3;
        a4_1 += x4.x * w1_0 + x4.y * w1_1 + x4.z * w1_2 + x4.w * w1_3;
        let x5 = xTile[(local.y * 8u + 5u) * PITCH + part];
        a5_0 += x5.x * w0_0 + x5.y * w0_1 + x5.z * w0_2 + x5.w * w0_3;
        a5_1 += x5.x * w1_0 + x5.y * w1_1 + x5.z * w1_2 + x5.w * w1_3;
        let x6 = xTile[(local.y * 8u + 6u) * PITCH + part];
        a6_0 += x6.x * w0_0 + x6.y * w0_1 + x6.z * w0_2 + x6.w * w0_3;
        a6_1 += x6.x * w1_0 + x6.y * w1_1 + x6.z * w1_2 + x6.w * w1_3;
        let x7 = xTile[(local.y * 8u + 7u) * PITCH + part];
        a7_0 += x7.x * w0_0 + x7.y * w0_1 + x7.z * w0_2 + x7.w * w0_3;
        a7_1 += x7.x * w1_0 + x7.y * w1_1 + x7.z * w1_2 + x7.w * w1_3;
      }
    }
  }
  // An array and a loop instead of a copy of the epilogue per output: those would take longer to compile than to run.
  var results = array<vec4<f32>, 16>(a0_0, a0_1, a1_0, a1_1, a2_0, a2_1, a3_0, a3_1, a4_0, a4_1, a5_0, a5_1, a6_0, a6_1, a7_0, a7_1, );
  for (var i = 0u; i < 8u; i++) {
    let m = firstRow + i;
    if (m >= rows()) { return; }
    for (var j = 0u; j < 2u; j++) {
      for (var c = 0u; c < 4u; c++) {
        store(m, (tileVector + local.x + j * 8u) * 4u + c, results[i * 2u + j][c]);
      }
    }
  }
}
