@group(0) @binding(0) var<storage, read> trits: array<u32>;
fn tritsRow(m: u32) -> u32 { return (words[0].y >> 2u) + m * (words[0].z >> 2u); }
fn tritsAt(i: u32) -> u32 { return trits[i]; }
@group(0) @binding(1) var<storage, read_write> weights: array<u32>;
fn weightsRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
@group(0) @binding(2) var<uniform> words: array<vec4<u32>, 2>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 5u) >> 2u][(j + 5u) & 3u]; }
fn tritsByte(at: u32) -> u32 { return (trits[at >> 2u] >> ((at & 3u) * 8u)) & 0xffu; }

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let column = group.x * 64u + local.x;
  if (column >= 128u) { return; }
  let base = words[0].y + column * 16u;
  var byte = 0u;
  for (var part = 0u; part < 5u; part++) {
    var word = 0u;
    for (var e = 0u; e < 16u; e++) {
      let k = part * 16u + e;
      var code = 1u;
      if (k < 80u && column < 96u) {
        if (k % 5u == 0u) { byte = tritsByte(base + k / 5u); }
        code = byte % 3u;
        byte = byte / 3u;
      }
      word |= code << ((e & 3u) * 8u + (e >> 2u) * 2u);
    }
    weights[weightsRow(0u) + part * 128u + column] = word;
  }
}
