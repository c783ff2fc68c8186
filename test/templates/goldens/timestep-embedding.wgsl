@group(0) @binding(0) var<storage, read> t: array<f32>;
fn tRow(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn tAt(i: u32) -> f32 { return t[i]; }
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
@group(0) @binding(2) var<uniform> words: array<vec4<u32>, 2>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 5u) >> 2u][(j + 5u) & 3u]; }
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

const FREQUENCIES = array<f32, 16>(1, 0.5623413251903491, 0.3162277660168379, 0.17782794100389226, 0.09999999999999998, 0.05623413251903488, 0.031622776601683784, 0.017782794100389226, 0.009999999999999995, 0.005623413251903487, 0.0031622776601683764, 0.001778279410038922, 0.0009999999999999994, 0.0005623413251903486, 0.00031622776601683783, 0.00017782794100389203, );

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let time = t[tRow(row)] * 1000;
  for (var j = lane; j < 16u; j += 64u) {
    let turned = cosSin(time * FREQUENCIES[j]);
    out[outRow(row) + j] = turned.x;
    out[outRow(row) + 16u + j] = turned.y;
  }
}
