import { createHash } from "node:crypto";
import { byteLength } from "../../ir/dtype.js";
import type { Encoding } from "../../ir/format/encoding.js";
import type { WeightSource } from "../../runtime/device.js";

/** A tensor of a plan: what its weight file would hold. */
export interface PlannedTensor {
  readonly name: string;
  /** The constant of the graph that it is. */
  readonly id: string;
  readonly dtype: "f32" | "f16" | "bf16" | "i32" | "u32" | "u8";
  readonly shape: readonly number[];
  readonly encoding: Encoding;
}

/** Random weights in place of a file: the same for the same name. Codes are uniform, floats small. */
export function randomWeights(tensors: readonly PlannedTensor[]): WeightSource {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return {
    async bytes(name) {
      const tensor = byName.get(name);
      if (tensor === undefined) throw new RangeError(`the plan has no tensor ${name}`);
      return tensorBytes(tensor);
    },
  };
}

export function tensorBytes({ name, dtype, shape, encoding }: PlannedTensor): Uint8Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array(byteLength(dtype, count));
  const next = generator(name);
  if (encoding === "trits") {
    // Five codes a byte: 3^5 values.
    for (let i = 0; i < bytes.length; i++) bytes[i] = (next() * 243) / 2 ** 32;
  } else if (encoding === "2bit") {
    // Four codes below 3.
    for (let i = 0; i < bytes.length; i++) {
      for (let bit = 0; bit < 8; bit += 2) bytes[i]! |= Math.floor((next() * 3) / 2 ** 32) << bit;
    }
  } else if (dtype === "f32") {
    const values = new Float32Array(bytes.buffer);
    for (let i = 0; i < count; i++) values[i] = (next() / 2 ** 32 - 0.5) * 0.04;
  } else if (dtype === "bf16") {
    // Signs, exponents around 2^-6 and random mantissas.
    const values = new Uint16Array(bytes.buffer);
    for (let i = 0; i < count; i++)
      values[i] = (((next() >>> 31) << 15) | (121 << 7) | (next() >>> 25)) & 0xffff;
  } else throw new RangeError(`no random weights of type ${dtype}`);
  return bytes;
}

/** xorshift32, seeded by a name. */
export function generator(name: string): () => number {
  let state = createHash("sha256").update(name).digest().readUInt32LE(0) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
