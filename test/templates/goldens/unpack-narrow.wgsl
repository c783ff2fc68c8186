@group(0) @binding(0) var<storage, read> source: array<u32>;
fn sourceRow(m: u32) -> u32 { return (words[0].y >> 2u) + m * (words[0].z >> 2u); }
fn sourceAt(i: u32) -> u32 { return source[i]; }
@group(0) @binding(1) var<storage, read_write> weights: array<u32>;
fn weightsRow(m: u32) -> u32 { return words[0].w + m * words[1].x; }
@group(0) @binding(2) var<uniform> words: array<vec4<u32>, 2>;
fn rows() -> u32 { return words[0].x; }
fn scalar(j: u32) -> u32 { return words[(j + 5u) >> 2u][(j + 5u) & 3u]; }
fn half(bits: u32) -> f32 {
  let exponent = (bits >> 10u) & 31u;
  let fraction = bits & 1023u;
  let normal = bitcast<f32>(((exponent + 112u) << 23u) | (fraction << 13u));
  let magnitude = select(normal, f32(fraction) * 5.9604644775390625e-8, exponent == 0u);
  return select(magnitude, -magnitude, (bits & 0x8000u) != 0u);
}
fn wordAt(at: u32) -> u32 {
  let low = source[at >> 2u];
  let shift = (at & 3u) * 8u;
  if (shift == 0u) { return low; }
  return (low >> shift) | (source[(at >> 2u) + 1u] << (32u - shift));
}
fn halfAt(at: u32) -> u32 { return (source[at >> 2u] >> ((at & 3u) * 8u)) & 0xffffu; }
const PART_WORDS = 4u;

// The low halves of four bytes.
fn nibbles(bytes: u32) -> u32 {
  let pairs = bytes & 0x0f0f0f0fu;
  let bytesOfTwo = (pairs | (pairs >> 4u)) & 0x00ff00ffu;
  return (bytesOfTwo | (bytesOfTwo >> 8u)) & 0xffffu;
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let column = group.x * 64u + local.x;
  let part = group.y;
  if (column >= 128u || part >= 3u) { return; }
  let inside = column < 96u;
  let begin = words[0].y + column * 54u + part * 18u;
  let scaleAt = weightsRow(0u) + 1536u + part * 128u + column;
  var scale = 0.0;
  if (inside) { scale = half(halfAt(begin)); }
  weights[scaleAt] = bitcast<u32>(scale);
  for (var j = 0u; j < PART_WORDS; j++) {
    let at = part * PART_WORDS + j;
    if (at >= 12u) { return; }
    var word = 0u;
    if (inside) {
      // Elements i and i + 16 are the halves of byte i.
      let bytes = begin + 2u + 8u * (j & 1u);
      let shift = 4u * (j >> 1u);
      word = nibbles(wordAt(bytes) >> shift) | (nibbles(wordAt(bytes + 4u) >> shift) << 16u);
    }
    weights[weightsRow(0u) + at * 128u + column] = word;
  }
}
