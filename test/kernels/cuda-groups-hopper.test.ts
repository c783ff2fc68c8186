import { describe, expect, it } from "vitest";
import { ternaryLayout } from "../../ir/families/contract/weights.js";
import { defineKernel } from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";
import { cudaGemmSuite } from "../support/cuda-gemm-suite.js";
import { packTrits, product } from "../support/gemm.js";
import { type GroupShape, groupGemmSuite } from "../support/group-gemm-suite.js";
import { cudaDevices } from "../support/kernel-devices.js";
import { matrix, output, runLaunch, vector } from "../support/launch.js";
import { randomInts } from "../support/random.js";

const kernelDevices = cudaDevices("sm_90a");

/** Around tiles of 256 channels by 128 tokens, panels of 64 channels, blocks of 128 k, and groups that a block has not all of. */
const SHAPES: readonly GroupShape[] = [
  { m: 4, n: 3, k: 33, group: 32 },
  { m: 129, n: 200, k: 700, group: 64 },
  // One tile in two halves, of which the second has one row.
  { m: 65, n: 129, k: 1300, group: 128 },
  // A last group of one block, and of two.
  { m: 300, n: 264, k: 514, group: 256 },
  { m: 33, n: 72, k: 768, group: 256 },
  // The ring wraps across tiles.
  { m: 1030, n: 40, k: 300, group: 128 },
];

groupGemmSuite(kernelDevices, ["i8"], SHAPES);
cudaGemmSuite({
  kernelDevices,
  shapes: [
    { m: 130, n: 65, k: 80 },
    { m: 70, n: 132, k: 264 },
  ],
  activations: ["i8"],
  group: 64,
});

describe("the kernels of sm_90a with scales of groups", () => {
  const plain = { n: 3072, k: 3072, activation: "none", bias: false, gated: false } as const;
  const config = (group: 32 | 128, activations: "i8" | "bf16") =>
    defineKernel("ternary-gemm", { ...plain, group, activations }, kernelDevices.target).kernel.config;

  it("are a warpgroup's for int8 rows, with as many stages as fit beside their scales", () => {
    expect(config(128, "i8")).toMatchObject({ variant: "int8-hopper", stages: 6 });
    expect(config(32, "i8")).toMatchObject({ variant: "int8-hopper", stages: 5 });
  });

  it.each([
    { fault: "no fault", from: "", to: "" },
    { fault: "codes as they are stored", from: "codes = groupCodes(", to: "codes = (" },
    { fault: "scales of the other half", from: "scales + half *", to: "scales + (1 - half) *" },
    { fault: "a stage's first scales for all of its groups", from: "+ group * 64", to: "" },
    { fault: "sums that are not begun anew", from: "multiply<false>(", to: "multiply<true>(" },
    {
      fault: "fragments of the last step but four",
      from: "steps + i) % STAGE_STEPS",
      to: "steps) % STAGE_STEPS",
    },
    {
      fault: "no wait before promotion",
      from: "wgmma_wait<0>();\n      wgmma_pin(sums)",
      to: "wgmma_pin(sums)",
    },
  ])("are right with no fault only: $fault", async ({ fault, from, to }) => {
    const device = Object.values(kernelDevices.devices())[0]!;
    const [m, n, k, group] = [70, 128, 256, 64] as const;
    const { target } = kernelDevices;
    const codes = Int8Array.from(randomInts(1, n * k, -1, 1));
    const layout = { n, k, activations: "i8" } as const;
    const { weights } = await runLaunch(device, defineKernel("unpack-trits", layout, target), {
      rows: n,
      args: {
        trits: matrix(packTrits(codes, n, k), n, Math.ceil(k / 5)),
        weights: output(1, ternaryLayout(layout).words[target.language]),
      },
      grid: [n, 1, 1],
    });
    const q = Int8Array.from(randomInts(2, m * k, -127, 127));
    // Whole numbers, so that every order of sums gives the same.
    const scales = Float32Array.from(randomInts(3, n * (k / group), 1, 9));
    const scaled = codes.map((t, i) => {
      const [channel, at] = [Math.floor(i / k), Math.floor((i % k) / group)];
      return t * scales[(Math.floor(channel / 64) * (k / group) + at) * 64 + (channel % 64)]!;
    });
    const definition = defineKernel("ternary-gemm", { ...plain, ...layout, group }, target);
    const source = renderTemplate(definition.template, definition.values);
    expect(source).toContain(from);
    const run = runLaunch(device, definition, {
      rows: m,
      args: {
        q: matrix(q, m, k),
        rowScale: matrix(new Float32Array(m).fill(1), m, 1),
        weights: vector(weights!),
        scales: vector(scales),
        out: output(m, n),
      },
      grid: [n, m, 1],
      source: () => source.replace(from, to),
    });
    const right = await run.then(
      ({ out }) => product(q, scaled, m, n, k, k).every((y, i) => y === out![i]),
      () => false,
    );
    expect(right).toBe(fault === "no fault");
  });

  it("are those of sm_80 for bf16 rows", () => {
    expect(config(128, "bf16").variant).toBe("bf16-mma");
  });
});
