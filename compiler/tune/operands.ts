import { encodeHalf } from "../../ir/constant/float16.js";
import { byteLength } from "../../ir/dtype.js";
import type { Filling } from "./case-program.js";

/** Bytes of random values of a kind: a prime number of words, so that no two rows of a large operand are alike. */
const POOL_BYTES = 4 * 262_139;
const pools = new Map<string, Uint8Array>();

/**
 * Pseudorandom contents of a buffer, the same for the same name: floats in (-1, 1), codes of bytes in -127..127, ternary codes
 * in 0..2, small whole numbers elsewhere. No value makes a kernel's result depend on anything but its arithmetic. Values repeat after
 * a megabyte: making all of them anew would take longer than the kernels do.
 */
export function operandBytes({ tensor, dtype, elements, isTernary }: Filling): Uint8Array {
  const length = byteLength(dtype, elements);
  const pool = poolOf({ dtype, isTernary });
  const bytes = new Uint8Array(length);
  let at = 4 * (generator(tensor)() % (POOL_BYTES / 4));
  for (let done = 0; done < length; at = 0) {
    const part = pool.subarray(at, at + length - done);
    bytes.set(part, done);
    done += part.length;
  }
  return bytes;
}

function poolOf(kind: Pick<Filling, "dtype" | "isTernary">): Uint8Array {
  const name = `${kind.dtype} ${kind.isTernary}`;
  const known = pools.get(name);
  if (known !== undefined) return known;
  const made = new Uint8Array(POOL_BYTES);
  fill(made, kind, generator(name));
  pools.set(name, made);
  return made;
}

function fill(
  bytes: Uint8Array,
  { dtype, isTernary }: Pick<Filling, "dtype" | "isTernary">,
  next: () => number,
): void {
  if (isTernary) {
    // Codes of a byte: each of four in 0..2.
    for (let i = 0; i < bytes.length; i++) bytes[i] = TERNARY_BYTES[next() % 81] ?? 0;
    return;
  }
  const { buffer } = bytes;
  switch (dtype) {
    case "f32": {
      const floats = new Float32Array(buffer);
      for (let i = 0; i < floats.length; i++) floats[i] = unit(next());
      break;
    }
    case "bf16": {
      const halves = new Uint16Array(buffer);
      const [float, bits] = [new Float32Array(1), new Uint32Array(1)];
      const words = new Uint32Array(float.buffer);
      for (let i = 0; i < halves.length; i++) {
        float[0] = unit(next());
        bits[0] = (words[0] ?? 0) >>> 16;
        halves[i] = bits[0] ?? 0;
      }
      break;
    }
    case "f16": {
      const halves = new Uint16Array(buffer);
      halves.set(encodeHalf(Float32Array.from(halves, () => unit(next()))));
      break;
    }
    case "i8": {
      const codes = new Int8Array(buffer);
      for (let i = 0; i < codes.length; i++) codes[i] = (next() % 255) - 127;
      break;
    }
    case "u8": {
      for (let i = 0; i < bytes.length; i++) bytes[i] = next() % 243;
      break;
    }
    case "i32":
    case "u32": {
      const words = new Uint32Array(buffer);
      for (let i = 0; i < words.length; i++) words[i] = next() % 2;
      break;
    }
  }
}

/** All bytes of four codes in 0..2. */
const TERNARY_BYTES = Array.from({ length: 81 }, (_, i) =>
  [1, 3, 9, 27].reduce((byte, power, j) => byte | ((Math.floor(i / power) % 3) << (2 * j)), 0),
);

/** In (-1, 1), of 24 bits. */
function unit(word: number): number {
  return ((word >>> 8) + 0.5) / 2 ** 23 - 1;
}

/** xorshift32 from a hash of the name. */
function generator(name: string): () => number {
  let state = 2166136261;
  for (const character of name) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 16777619);
  state = state >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}
