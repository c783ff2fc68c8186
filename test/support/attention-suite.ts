import { expect, it } from "vitest";
import type { FloatStorage } from "../../ir/families/contract/params.js";
import type { OpAttrs } from "../../ir/ops/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { defineKernel } from "../../templates/index.js";
import { run } from "../interpret/run-op.js";
import { bfloatBytes, bfloatRounded, bfloatValues } from "./bfloat.js";
import { expectClose } from "./compare.js";
import type { KernelDevices } from "./kernel-devices.js";
import { matrix, output, runLaunch } from "./launch.js";
import { randomFloats } from "./random.js";

/** Attention with an order, a bias, a mask, or heads that share keys. */
export interface TermsCase {
  readonly name: string;
  readonly heads: number;
  readonly headDim: number;
  readonly keyValueHeads?: number;
  readonly tokens: number;
  /** As many as tokens if absent. */
  readonly keys?: number;
  readonly scale?: number;
  readonly causal?: boolean;
  readonly bias?: boolean;
  readonly mask?: "f32" | "i32" | "u32";
  /** The first tokens whose masks lessen scores, by so much. */
  readonly masked?: number;
  readonly maskLoss?: number;
  /** Whether a key takes part; all but every third if absent. */
  readonly takes?: (key: number) => boolean;
}

/** What text encoders have, with fewer heads, and sizes that divide no tile or a tile exactly. */
export const TERMS: readonly TermsCase[] = [
  { name: "CLIP's", heads: 3, headDim: 64, tokens: 77, causal: true },
  { name: "T5's", heads: 2, headDim: 64, tokens: 64, scale: 1, bias: true },
  { name: "Qwen3's", heads: 4, keyValueHeads: 2, headDim: 128, tokens: 70, causal: true, mask: "i32" },
  { name: "of one head of keys", heads: 3, keyValueHeads: 1, headDim: 20, tokens: 33 },
  { name: "masked", heads: 2, headDim: 12, tokens: 5, keys: 67, mask: "f32" },
  {
    name: "whose first 70 keys are left out",
    heads: 1,
    headDim: 64,
    tokens: 17,
    keys: 131,
    mask: "u32",
    takes: (key) => key >= 70,
  },
  {
    name: "padded behind",
    heads: 2,
    headDim: 64,
    tokens: 65,
    causal: true,
    mask: "i32",
    takes: (key) => key < 9,
  },
  {
    name: "of more keys than queries",
    heads: 2,
    headDim: 12,
    tokens: 17,
    keys: 66,
    bias: true,
    causal: true,
  },
  {
    name: "of everything at once",
    heads: 4,
    keyValueHeads: 2,
    headDim: 20,
    tokens: 35,
    bias: true,
    causal: true,
    mask: "u32",
  },
  {
    name: "of long heads",
    heads: 2,
    keyValueHeads: 1,
    headDim: 132,
    tokens: 19,
    bias: true,
    causal: true,
    mask: "f32",
  },
  {
    name: "Chroma's",
    ...{ heads: 2, headDim: 128, tokens: 131, mask: "f32", masked: 70, maskLoss: 1 },
    takes: (key) => key < 21,
  },
  {
    name: "whose masked keys lose a lot",
    heads: 3,
    headDim: 64,
    tokens: 65,
    mask: "f32",
    masked: 65,
    maskLoss: 3.5,
  },
  {
    name: "of one masked token",
    heads: 1,
    headDim: 12,
    tokens: 19,
    mask: "f32",
    masked: 1,
    maskLoss: 2,
    takes: () => false,
  },
  {
    name: "of everything that lessens scores",
    ...{
      heads: 4,
      keyValueHeads: 2,
      headDim: 20,
      tokens: 35,
      bias: true,
      causal: true,
      mask: "f32",
      masked: 33,
    },
    maskLoss: 1,
  },
  { name: "of one query and key", heads: 2, headDim: 4, tokens: 1, causal: true, bias: true, mask: "i32" },
];

/** Operands as the interpreter takes them. */
function operandsOf(c: TermsCase, stored: (values: Float32Array) => Float32Array) {
  const { heads, headDim, keyValueHeads = heads, tokens, keys = tokens, masked = keys } = c;
  const narrow = keyValueHeads * headDim;
  const floats = (seed: number, shape: readonly number[], spread = 1): Tensor => ({
    dtype: "f32",
    shape,
    data: stored(
      randomFloats(
        seed,
        shape.reduce((a, b) => a * b, 1),
        spread,
      ),
    ),
  });
  const takes = c.takes ?? ((key: number) => key % 3 !== 1);
  const words = Array.from({ length: masked }, (_, key) => (takes(key) ? 1 + (key % 2) : 0));
  const mask = {
    f32: () => Float32Array.from(words, (w) => (w === 0 ? 0 : w / 4)),
    i32: () => Int32Array.from(words, (w) => -w),
    u32: () => Uint32Array.from(words),
  };
  return {
    q: floats(1, [1, tokens, heads * headDim], 2),
    k: floats(2, [1, keys, narrow], 2),
    v: floats(3, [1, keys, narrow]),
    bias: c.bias === true ? { ...floats(4, [heads, tokens + keys - 1], 2) } : null,
    mask: c.mask === undefined ? null : { dtype: c.mask, shape: [1, masked], data: mask[c.mask]() },
  } as const;
}

/** Holds kernels against the interpreter, in f64, on every device. */
export function termsSuite(kernelDevices: KernelDevices, storage: FloatStorage = "f32"): void {
  const { target, devices, sameBits } = kernelDevices;
  const narrow = storage === "bf16";
  const bytes = (t: Tensor) => {
    const data = Float32Array.from(t.data, Number);
    return narrow ? bfloatBytes(data) : data;
  };

  it.each(TERMS)(`attention $name in ${storage}`, async (c) => {
    const { heads, headDim, keyValueHeads = heads, tokens, keys = tokens, masked = keys } = c;
    const { scale = headDim ** -0.5, maskLoss } = c;
    const { q, k, v, bias, mask } = operandsOf(c, narrow ? bfloatRounded : (values) => values);
    const attrs: OpAttrs["attention"] = {
      heads,
      scale,
      ...(c.causal === true ? { causal: true } : {}),
      ...(keyValueHeads === heads ? {} : { keyValueHeads }),
      ...(maskLoss === undefined ? {} : { maskLoss }),
    };
    const [expected] = run("attention", attrs, [q, k, v, bias, mask], 1, "f64");
    const params = {
      ...attrs,
      headDim,
      ...(narrow ? { storage } : {}),
      ...(c.bias === true ? { bias: true } : {}),
      ...(c.mask === undefined ? {} : { mask: c.mask }),
    };
    const [wide, shared, spread] = [heads * headDim, keyValueHeads * headDim, tokens + keys - 1];
    let first: Float32Array | undefined;
    for (const device of Object.values(devices())) {
      const { out } = await runLaunch(device, defineKernel("attention", params, target), {
        rows: tokens,
        args: {
          q: matrix(bytes(q), tokens, wide, { rowStride: wide + 8, offset: 8 }),
          k: matrix(bytes(k), keys, shared, { rowStride: 2 * shared, offset: shared }),
          v: matrix(bytes(v), keys, shared, { offset: 16 }),
          ...(bias === null
            ? {}
            : { bias: matrix(bytesOf(bias), heads, spread, { rowStride: spread + 3, offset: 5 }) }),
          ...(mask === null ? {} : { mask: matrix(mask.data, 1, masked, { offset: 3 }) }),
          out: output(tokens, wide, { rowStride: wide + 4 }),
        },
        scalars: [keys, ...(bias === null ? [] : [spread]), ...(maskLoss === undefined ? [] : [masked])],
        grid: [heads, tokens, 1],
      });
      const found = narrow ? bfloatValues(out!) : Float32Array.from(out!);
      const tolerance = narrow ? { absolute: 6e-3, relative: 6e-3 } : { absolute: 2e-5, relative: 2e-5 };
      expectClose(found, expected!.data as Float64Array, wide, tolerance);
      first ??= found;
      if (sameBits) expect(found).toEqual(first);
    }
  });
}

const bytesOf = (t: Tensor) => Float32Array.from(t.data, Number);
