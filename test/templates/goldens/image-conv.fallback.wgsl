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
const BLOCK = 8u;
@compute @workgroup_size(8, 8, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let firstRow = (group.y * 8u + local.y) * 8u;
  if (firstRow >= rows()) { return; }
  let firstVector = group.x * 16u + local.x;
  var weightAt = weightsRow(0u) / 4u + firstVector;
  // Arrays and loops: a copy of the code per row and vector would take longer to compile than most pictures take.
  var windows: array<vec2<i32>, BLOCK>;
  var sums: array<vec4<f32>, 16>;
  for (var i = 0u; i < BLOCK; i++) { windows[i] = windowOf(firstRow + i); }
  for (var tap = 0; tap < 9; tap++) {
    let reach = vec2<i32>(tap / 3, tap % 3);
    for (var i = 0u; i < BLOCK; i++) {
      let at = windows[i] + reach;
      if (!inside(at.x, at.y)) { continue; }
      let first = pixel(at.x, at.y);
      var a0 = sums[i * 2u + 0u];
      var a1 = sums[i * 2u + 1u];
      for (var k = 0u; k < 20u; k++) {
        let v = x[first + k];
        let w = weightAt + k * 32u;
        a0 += v * weights[w + 0u];
        a1 += v * weights[w + 8u];
      }
      sums[i * 2u + 0u] = a0;
      sums[i * 2u + 1u] = a1;
    }
    weightAt += 640u;
  }
  for (var i = 0u; i < BLOCK; i++) {
    let m = firstRow + i;
    if (m >= rows()) { return; }
    for (var j = 0u; j < 2u; j++) {
      for (var e = 0u; e < 4u; e++) {
        store(m, (firstVector + j * 8u) * 4u + e, sums[i * 2u + j][e]);
      }
    }
  }
}
