@group(0) @binding(0) var<storage, read> x: array<f32>;
fn xRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn xAt(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
fn weightsRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn weightsAt(i: u32) -> vec4<f32> { return weights[i]; }
@group(0) @binding(2) var<storage, read> bias: array<f32>;
fn biasRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
fn biasAt(i: u32) -> f32 { return bias[i]; }
@group(0) @binding(3) var<storage, read> residual: array<f32>;
fn residualRow(m: u32) -> u32 { return words[1].w + m * words[2].x; }
fn residualAt(i: u32) -> f32 { return residual[i]; }
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[2].y + m * words[2].z; }
@group(0) @binding(5) var<uniform> words: array<vec4<u32>, 4>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 11u) >> 2u][(j + 11u) & 3u]; }
// Where pixels lie: row y and column z of the enlarged picture, which may be outside.
fn inside(y: i32, z: i32) -> bool {
  return y >= 0 && z >= 0 && u32(y) < scalar(0u) * 2u && u32(z) < scalar(1u) * 2u;
}

// The first channel of such a pixel, where it is inside.
fn pixel(y: i32, z: i32) -> u32 {
  return xRow((u32(y) / 2u) * scalar(1u) + u32(z) / 2u);
}

// Row and column of the window of row m of the launch.
fn windowOf(m: u32) -> vec2<i32> {
  let at = min(m, rows() - 1u) + scalar(4u);
  let width = scalar(3u);
  return vec2<i32>(i32((at / width) * 1u) - 1, i32((at % width) * 1u) - 1);
}

fn store(m: u32, n: u32, product: f32) {
  if (m >= rows() || n >= 96u) { return; }
  var y = product;
  y += biasAt(biasRow(0u) + n);
  y += residualAt(residualRow(m) + n);
  out[outRow(m) + n] = y;
}
const TILE_M = 64u;
const TILE_VECTORS = 16u;
const STAGE = 16u;
// One more vector than a row holds, against bank conflicts.
const PITCH = 5u;
// Vectors of x that an invocation brings in, and the rows between them.
const LOADS = 4u;
const LOAD_ROWS = 16u;
var<workgroup> xTile: array<vec4<f32>, 320>;
var<workgroup> wTile: array<vec4<f32>, 256>;

@compute @workgroup_size(8, 8, 1)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let tileRow = group.y * TILE_M;
  let firstRow = tileRow + local.y * 8u;
  let tileVector = group.x * TILE_VECTORS;
  let weightBase = weightsRow(0u) / 4u + tileVector;
  // Which rows and channels this invocation brings in.
  let loadRow = lane / 4u;
  let loadPart = lane % 4u;
  var windows: array<vec2<i32>, LOADS>;
  var starts: array<u32, LOADS>;
  var present: array<bool, LOADS>;
  for (var l = 0u; l < LOADS; l++) { windows[l] = windowOf(tileRow + loadRow + l * LOAD_ROWS); }
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
  for (var tap = 0; tap < 9; tap++) {
    let reach = vec2<i32>(tap / 3, tap % 3);
    for (var l = 0u; l < LOADS; l++) {
      let at = windows[l] + reach;
      present[l] = inside(at.x, at.y);
      starts[l] = select(xRow(0u), pixel(at.x, at.y), present[l]);
    }
    for (var stage = 0u; stage < 20u; stage += STAGE) {
      workgroupBarrier();
      let k = stage + loadPart * 4u;
      for (var l = 0u; l < LOADS; l++) {
        var v = vec4<f32>();
        if (present[l]) {
          let at = starts[l] + k;
          if (k < 20u) { v = vec4<f32>(x[at], x[at + 1u], x[at + 2u], x[at + 3u]); }
        }
        xTile[(loadRow + l * LOAD_ROWS) * PITCH + loadPart] = v;
      }
      for (var i = lane; i < STAGE * TILE_VECTORS; i += 64u) {
        // Weights past the channels of the pixel meet zeros of x.
        let at = min(u32(tap) * 20u + stage + i / TILE_VECTORS, 179u);
        wTile[i] = weights[weightBase + at * 32u + i % TILE_VECTORS];
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
  }
  // An array and a loop instead of a copy of the epilogue per output: those would take longer to compile than to run.
  var results = array<vec4<f32>, 16>(a0_0, a0_1, a1_0, a1_1, a2_0, a2_1, a3_0, a3_1, a4_0, a4_1, a5_0, a5_1, a6_0, a6_1, a7_0, a7_1, );
  for (var i = 0u; i < 8u; i++) {
    let m = firstRow + i;
    if (m >= rows()) { return; }
    for (var j = 0u; j < 2u; j++) {
      for (var e = 0u; e < 4u; e++) {
        store(m, (tileVector + local.x + j * 8u) * 4u + e, results[i * 2u + j][e]);
      }
    }
  }
}
