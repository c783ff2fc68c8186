@group(0) @binding(0) var<storage, read> in0: array<f32>;
fn in0Row(m: u32) -> u32 { return words[0].y + m * words[0].z; }
fn in0At(i: u32) -> f32 { return in0[i]; }
@group(0) @binding(1) var<storage, read> in1: array<f32>;
fn in1Row(m: u32) -> u32 { return words[0].w + m * words[1].x; }
fn in1At(i: u32) -> f32 { return in1[i]; }
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
fn outRow(m: u32) -> u32 { return words[1].y + m * words[1].z; }
@group(0) @binding(3) var<uniform> words: array<vec4<u32>, 4>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 7u) >> 2u][(j + 7u) & 3u]; }
fn boundedTanh(x: f32) -> f32 { return tanh(clamp(x, -20.0, 20.0)); }
@compute @workgroup_size(64, 1, 1)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
) {
  let first = (group.y * groups.x + group.x) * 256u + local.x;
  for (var e = 0u; e < 4u; e++) {
    let element = first + e * 64u;
    if (element >= rows()) { return; }
    var rest = element;
    var to = outRow(0u);
    var from0 = in0Row(0u);
    var from1 = in1Row(0u);
    for (var axis = 2u; axis > 0u; axis--) {
      let size = scalar(axis - 1u);
      let coordinate = rest % size;
      rest = rest / size;
      from0 += coordinate * scalar(2u + axis - 1u);
      from1 += coordinate * scalar(4u + axis - 1u);
      to += coordinate * scalar(6u + axis - 1u);
    }
    let v0 = in0[from0];
    let v1 = in1[from1];
    out[to] = (v0 + boundedTanh(v1));
  }
}
