import type { Held } from "../../ir/ops/held.js";

/** `half(bits)`: exact also of subnormal numbers, which the built-in function may flush. */
const HALF = `fn half(bits: u32) -> f32 {
  let exponent = (bits >> 10u) & 31u;
  let fraction = bits & 1023u;
  let normal = bitcast<f32>(((exponent + 112u) << 23u) | (fraction << 13u));
  let magnitude = select(normal, f32(fraction) * 5.9604644775390625e-8, exponent == 0u);
  return select(magnitude, -magnitude, (bits & 0x8000u) != 0u);
}`;

/** `wordAt(at)`: four bytes of an argument of bytes, from any address. */
function wordAt(name: string): string {
  return `fn wordAt(at: u32) -> u32 {
  let low = ${name}[at >> 2u];
  let shift = (at & 3u) * 8u;
  if (shift == 0u) { return low; }
  return (low >> shift) | (${name}[(at >> 2u) + 1u] << (32u - shift));
}
fn halfAt(at: u32) -> u32 { return (${name}[at >> 2u] >> ((at & 3u) * 8u)) & 0xffffu; }`;
}

/** Functions that read stored rows of an argument of bytes. Blocks begin at even addresses. */
export function blockFunctions(name: string, held: Held): string {
  return held === "bf16" ? wordAt(name) : `${HALF}\n${wordAt(name)}`;
}
