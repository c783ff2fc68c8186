@group(0) @binding(0) var<storage, read> ids: array<f32>;
fn idsRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn idsAt(i: u32) -> f32 { return ids[i]; }
@group(0) @binding(1) var<storage, read_write> cosines: array<f32>;
fn cosinesRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
@group(0) @binding(2) var<storage, read_write> sines: array<f32>;
fn sinesRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
@group(0) @binding(3) var<uniform> words: array<vec4<u32>, 2>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 7u) >> 2u][(j + 7u) & 3u]; }
// (cos a, sin a) to about 1e-7 for |a| < 8192: WGSL promises 2^-11 only. Reduction by multiples of pi/2 in three parts
// (Cody and Waite), then minimax polynomials on [-pi/4, pi/4] (Cephes).
fn cosSin(a: f32) -> vec2<f32> {
  let quarter = round(a * 0.6366197724);
  let r = ((a - quarter * 1.5703125) - quarter * 4.837512969970703125e-4) - quarter * 7.54978995489188216e-8;
  let z = r * r;
  let s = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 + z * -1.9515295891e-4));
  let c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
  switch (i32(quarter) & 3) {
    case 0: { return vec2<f32>(c, s); }
    case 1: { return vec2<f32>(-s, c); }
    case 2: { return vec2<f32>(-c, -s); }
    default: { return vec2<f32>(s, -c); }
  }
}

const FREQUENCIES = array<f32, 16>(1, 0.1, 0.01, 0.001, 1, 0.215443469003188, 0.0464158883361278, 0.01, 0.00215443469003188, 0.000464158883361278, 1, 0.215443469003188, 0.0464158883361278, 0.01, 0.00215443469003188, 0.000464158883361278, );
const AXES = array<u32, 16>(0u, 0u, 0u, 0u, 1u, 1u, 1u, 1u, 1u, 1u, 2u, 2u, 2u, 2u, 2u, 2u, );

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  for (var pair = lane; pair < 16u; pair += 64u) {
    let turned = cosSin(ids[idsRow(row) + AXES[pair]] * FREQUENCIES[pair]);
    cosines[cosinesRow(row) + pair] = turned.x;
    sines[sinesRow(row) + pair] = turned.y;
  }
}
