import { describe, expect, it } from "vitest";
import { ternaryLayout } from "../../ir/families/contract/weights.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import { defineKernel, type KernelDefinition } from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";
import { cudaGemmSuite } from "../support/cuda-gemm-suite.js";
import { packTrits, product } from "../support/gemm.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { matrix, output, runLaunch, vector } from "../support/launch.js";
import { randomInts } from "../support/random.js";

const kernelDevices = cudaDevices("sm_90a");
const { target } = kernelDevices;

/** Around tiles of 256 channels by 128 tokens, panels of 64 channels, blocks of 128 k and rings of 6 and 3 stages. */
const SHAPES = [
  { m: 4, n: 3, k: 5 },
  { m: 130, n: 65, k: 33 },
  { m: 129, n: 200, k: 700 },
  // One tile in two halves, of which the second has one row.
  { m: 65, n: 129, k: 1300 },
  { m: 300, n: 264, k: 132 },
  // On two processors: eight tiles of tokens together and one behind, which is cut; the ring wraps across tiles.
  { m: 1030, n: 40, k: 40 },
] as const;

const plain = { activation: "none", bias: false, gated: false } as const;

function define(params: TernaryGemmParams): KernelDefinition {
  return defineKernel("ternary-gemm", params, target);
}

cudaGemmSuite({ kernelDevices, shapes: SHAPES });

describe("the kernel of int8 rows", () => {
  it("is what the target takes", () => {
    const params = { ...plain, n: 3072, k: 3072 } as const;
    expect(define({ ...params, activations: "i8" }).kernel.config).toEqual({
      variant: "int8-hopper",
      consumers: 2,
      tokens: 128,
      stages: 6,
      raster: 8,
      blocks: 1,
      split: 1,
      multicast: 1,
    });
    expect(define({ ...params, activations: "bf16" }).kernel.config).toMatchObject({
      variant: "bf16-hopper",
      stages: 3,
    });
  });

  it("leaves to others what it cannot do", () => {
    expect(define({ ...plain, n: 64, k: 64, activations: "f32" }).kernel.config.variant).toBe("float");
    const heads = { headDim: 24, columns: 48, epsilon: 1e-6 };
    const { kernel, choices } = define({ ...plain, n: 72, k: 64, activations: "i8", heads });
    expect(kernel.config.variant).toBe("int8-mma");
    expect(choices[0]?.candidates[0]).toMatchObject({
      config: { variant: "int8-hopper" },
      rejected: "heads of 24 channels are not those of neighbouring lanes",
    });
  });

  it.each([
    { fault: "no fault", from: "", to: "" },
    { fault: "steps of k swapped", from: "wordOf(codes[half], step)", to: "wordOf(codes[half], step ^ 1)" },
    { fault: "panels swapped", from: "codes[0] = *reinterpret_cast", to: "codes[1] = *reinterpret_cast" },
    { fault: "a descriptor one step off", from: "tokens + 2 * step", to: "tokens + 2 * (step ^ 1)" },
    { fault: "fragments one step late", from: "a[step % 2][0], tokens", to: "a[step / 2][0], tokens" },
  ])("is right with no fault only: $fault", async ({ fault, from, to }) => {
    const [device] = Object.values(kernelDevices.devices());
    const [m, n, k] = [70, 128, 128];
    const codes = Int8Array.from(randomInts(1, n * k, -1, 1));
    const layout = { n, k, activations: "i8" } as const;
    const unpacked = await runLaunch(device!, defineKernel("unpack-trits", layout, target), {
      rows: n,
      args: {
        trits: matrix(packTrits(codes, n, k), n, Math.ceil(k / 5)),
        weights: output(1, ternaryLayout(layout).words[target.language]),
      },
      grid: [n, 1, 1],
    });
    const q = Int8Array.from(randomInts(2, m * k, -127, 127));
    const rowSum = Int32Array.from({ length: m }, (_, r) =>
      q.subarray(r * k, (r + 1) * k).reduce((sum, x) => sum + x, 0),
    );
    const definition = define({ ...plain, ...layout });
    const source = renderTemplate(definition.template, definition.values);
    expect(source).toContain(from);
    const run = runLaunch(device!, definition, {
      rows: m,
      args: {
        q: matrix(q, m, k),
        rowScale: matrix(new Float32Array(m).fill(1), m, 1),
        rowSum: matrix(rowSum, m, 1),
        weights: vector(unpacked.weights!),
        scales: vector(new Float32Array(n).fill(1)),
        out: output(m, n),
      },
      grid: [n, m, 1],
      source: () => source.replace(from, to),
    });
    const right = await run.then(
      ({ out }) => product(q, codes, m, n, k, k).every((y, i) => y === out![i]),
      () => false,
    );
    expect(right).toBe(fault === "no fault");
  });
});
