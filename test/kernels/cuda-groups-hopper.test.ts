import { describe, expect, it } from "vitest";
import { defineKernel } from "../../templates/index.js";
import { cudaGemmSuite } from "../support/cuda-gemm-suite.js";
import { type GroupShape, groupGemmSuite } from "../support/group-gemm-suite.js";
import { cudaDevices } from "../support/kernel-devices.js";

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
    expect(config(128, "i8")).toEqual({ variant: "int8-hopper", consumers: 2, tokens: 128, stages: 6 });
    expect(config(32, "i8")).toMatchObject({ variant: "int8-hopper", stages: 5 });
  });

  it("are those of sm_80 for bf16 rows", () => {
    expect(config(128, "bf16").variant).toBe("bf16-mma");
  });
});
