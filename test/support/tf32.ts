/** Floats as tf32 holds them: 10 bits behind the point, to nearest, ties away from zero. */
export function tf32Rounded(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.slice().buffer);
  return new Float32Array(bits.map((word) => (word + 0x1000) & 0xffffe000).buffer);
}
