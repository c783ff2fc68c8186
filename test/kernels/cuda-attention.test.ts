import { describe, expect, it } from "vitest";
import type { FloatStorage } from "../../ir/families/contract/params.js";
import type { Architecture, Target } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";
import { type AttentionProblem, attentionOf, growing, relativeError } from "../support/attention.js";
import { type AttentionOperands, attentionByLoops } from "../support/attention-terms.js";
import { bfloatBytes, bfloatRounded, bfloatValues } from "../support/bfloat.js";
import { expectClose } from "../support/compare.js";
import { cudaDevices, type KernelDevices } from "../support/kernel-devices.js";
import { matrix, output, runLaunch } from "../support/launch.js";
import { randomFloats } from "../support/random.js";

/** What the inputs are like, and where they lie. */
interface Case extends Omit<AttentionProblem, "scale"> {
  /** The scores' standard deviation; 1 if absent. */
  readonly sharpness?: number;
  /** How many times longer the last key is than the first one. */
  readonly growing?: number;
  /** Rows that don't start on 16 bytes. */
  readonly unaligned?: boolean;
  readonly int8?: boolean;
  /** The first tokens, half of which are masked: their keys lose 1.5. */
  readonly masked?: number;
}

const MASK_LOSS = 1.5;

const volta = cudaDevices("sm_70");
const turing = cudaDevices("sm_75");
const ampere = cudaDevices("sm_86");
const hopper = cudaDevices("sm_90a");

/** The kernels that another architecture would run, on the same device. */
function compiledFor(
  { target, devices, sameBits }: KernelDevices,
  architecture: Architecture,
): KernelDevices {
  const other: Target = { ...target, cuda: { ...target.cuda!, architectures: [architecture] } };
  return { target: other, devices, sameBits };
}

/** Scores of some hundreds have errors of some 1e-5. */
const f32 = { absolute: 5e-5, relative: 1e-4 };
/** Weights and results have 8 significant bits. */
const bf16 = { absolute: 6e-3, relative: 6e-3 };
/** An int8 code is off by 1/254 of its row's largest element at most, some 0.012 of the standard deviation. */
const codes = { absolute: 0.05, relative: 0.03 };

async function check(
  { target, devices }: KernelDevices,
  storage: FloatStorage,
  given: Case,
): Promise<number> {
  const { heads, headDim, rows, keys, sharpness = 1, growing: spread = 1 } = given;
  const { unaligned = false, int8 = false, masked } = given;
  const c = heads * headDim;
  const scale = 1 / Math.sqrt(headDim);
  const stored = (values: Float32Array) => (storage === "bf16" ? bfloatRounded(values) : values);
  const bytes = (values: Float32Array<ArrayBuffer>) => (storage === "bf16" ? bfloatBytes(values) : values);
  const q = randomFloats(1, rows * c, sharpness);
  const k = growing(randomFloats(2, keys * c), c, spread);
  const v = randomFloats(3, keys * c);
  const mask = Float32Array.from({ length: masked ?? 0 }, (_, i) => (i < (masked ?? 0) / 2 ? 1 : 0));
  const lessened = masked === undefined ? {} : { maskLoss: MASK_LOSS };
  const tensor = (data: Float32Array, ...shape: number[]) =>
    ({ dtype: "f32", shape: [1, ...shape], data }) as const;
  const expected =
    masked === undefined
      ? attentionOf({ heads, headDim, rows, keys, scale }, stored(q), stored(k), stored(v))
      : Float32Array.from(
          attentionByLoops(
            [
              ...[q, k, v].map((x) => tensor(stored(x), rows, c)),
              null,
              tensor(mask, masked),
            ] as unknown as AttentionOperands,
            { heads, scale, ...lessened },
          ),
        );
  const params = { heads, headDim, scale, storage, int8, ...lessened };
  const definition = defineKernel(
    "attention",
    masked === undefined ? params : { ...params, mask: "f32" },
    target,
  );
  const [odd, even] = unaligned ? [3, 1] : [0, 0];
  const results: Float32Array[] = [];
  for (const device of Object.values(devices())) {
    const { out } = await runLaunch(device, definition, {
      rows,
      args: {
        // Windows of wider buffers.
        q: matrix(bytes(q), rows, c, { rowStride: 3 * c + odd, offset: 2 * c + odd }),
        k: matrix(bytes(k), keys, c, { rowStride: c + 8 + even, offset: 8 }),
        v: matrix(bytes(v), keys, c, { rowStride: 2 * c, offset: c + odd }),
        ...(masked === undefined ? {} : { mask: matrix(mask, 1, masked, { offset: 3 }) }),
        out: output(rows, c, { rowStride: c + 24 + odd, offset: 16 + even }),
      },
      scalars: masked === undefined ? [keys] : [keys, masked],
      grid: [heads, rows, 1],
    });
    const actual = storage === "bf16" ? bfloatValues(out!) : Float32Array.from(out!);
    expectClose(actual, expected, c, storage === "f32" ? f32 : int8 ? codes : bf16);
    results.push(actual);
  }
  return relativeError(results[0]!, expected);
}

const NAME = "$heads x $headDim, $rows queries, $keys keys";

describe("f32 arithmetic", () => {
  it.each<Case>([
    { heads: 2, headDim: 20, rows: 17, keys: 1 },
    { heads: 2, headDim: 20, rows: 130, keys: 70, unaligned: true },
    { heads: 1, headDim: 128, rows: 65, keys: 200, growing: 50, sharpness: 5 },
    { heads: 2, headDim: 160, rows: 33, keys: 65 },
  ])(`f32: ${NAME}`, async (problem) => {
    await check(volta, "f32", problem);
  });

  it.each<Case>([
    { heads: 1, headDim: 64, rows: 17, keys: 130 },
    { heads: 1, headDim: 64, rows: 17, keys: 33, unaligned: true },
  ])(`bf16: ${NAME}`, async (problem) => {
    await check(volta, "bf16", problem);
  });
});

describe("mma", () => {
  it.each<Case>([
    { heads: 2, headDim: 128, rows: 1, keys: 1 },
    { heads: 2, headDim: 128, rows: 130, keys: 64 },
    { heads: 1, headDim: 128, rows: 200, keys: 200, growing: 50, sharpness: 5 },
    { heads: 2, headDim: 48, rows: 17, keys: 63, unaligned: true },
    { heads: 2, headDim: 128, rows: 200, keys: 200, masked: 70 },
  ])(`sm_75: ${NAME}`, async (problem) => {
    expect(await check(turing, "bf16", problem)).toBeLessThan(2.5e-3);
  });

  it.each<Case>([
    { heads: 2, headDim: 128, rows: 1, keys: 1 },
    { heads: 2, headDim: 128, rows: 130, keys: 64 },
    { heads: 1, headDim: 128, rows: 200, keys: 200, growing: 50, sharpness: 5 },
    { heads: 3, headDim: 128, rows: 17, keys: 95, unaligned: true },
    { heads: 1, headDim: 48, rows: 130, keys: 33, growing: 50 },
    { heads: 1, headDim: 160, rows: 70, keys: 130 },
    { heads: 2, headDim: 128, rows: 200, keys: 200, masked: 70 },
    { heads: 1, headDim: 48, rows: 33, keys: 33, masked: 33, unaligned: true },
    { heads: 1, headDim: 160, rows: 66, keys: 66, masked: 1 },
  ])(`sm_86: ${NAME}`, async (problem) => {
    expect(await check(ampere, "bf16", problem)).toBeLessThan(2.5e-3);
  });

  it.each<Case>([
    { heads: 2, headDim: 64, rows: 64, keys: 130, growing: 50 },
    { heads: 1, headDim: 128, rows: 17, keys: 200 },
  ])(`sm_80: ${NAME}`, async (problem) => {
    expect(await check(compiledFor(ampere, "sm_80"), "bf16", problem)).toBeLessThan(2.5e-3);
  });
});

describe("wgmma", () => {
  it.each<Case>([
    { heads: 2, headDim: 128, rows: 1, keys: 1 },
    { heads: 1, headDim: 128, rows: 64, keys: 128 },
    { heads: 2, headDim: 128, rows: 17, keys: 130 },
    { heads: 1, headDim: 128, rows: 130, keys: 127 },
    { heads: 1, headDim: 128, rows: 200, keys: 700, growing: 50, sharpness: 5 },
    { heads: 2, headDim: 128, rows: 130, keys: 300, unaligned: true },
    { heads: 2, headDim: 128, rows: 300, keys: 300, masked: 200 },
    { heads: 1, headDim: 128, rows: 65, keys: 65, masked: 65, unaligned: true },
  ])(NAME, async (problem) => {
    expect(await check(hopper, "bf16", problem)).toBeLessThan(2.5e-3);
  });
});

describe("int8 scores", () => {
  it.each<Case>([
    { heads: 2, headDim: 128, rows: 1, keys: 1 },
    { heads: 2, headDim: 128, rows: 130, keys: 127 },
    { heads: 1, headDim: 128, rows: 200, keys: 200, growing: 6 },
    { heads: 1, headDim: 128, rows: 64, keys: 200, sharpness: 3 },
    { heads: 2, headDim: 32, rows: 17, keys: 63, unaligned: true },
    { heads: 2, headDim: 128, rows: 200, keys: 200, masked: 70 },
    { heads: 1, headDim: 32, rows: 65, keys: 65, masked: 64, unaligned: true },
  ])(NAME, async (problem) => {
    expect(await check(ampere, "bf16", { ...problem, int8: true })).toBeLessThan(0.02);
  });
});
