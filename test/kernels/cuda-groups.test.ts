import { describe, expect, it } from "vitest";
import { CUDA_TARGETS } from "../../targets/index.js";
import { defineKernel } from "../../templates/index.js";
import { groupGemmSuite } from "../support/group-gemm-suite.js";
import { cudaDevices } from "../support/kernel-devices.js";

describe("sm_86: matrix instructions, and f32 without", () => {
  groupGemmSuite(cudaDevices("sm_86"), ["i8", "bf16", "f32"]);
});

describe("sm_70: dot products of four bytes, bf16 without matrix instructions", () => {
  groupGemmSuite(cudaDevices("sm_70", ["forward"]), ["i8", "bf16"]);
});

describe("sm_75: matrix instructions for int8", () => {
  groupGemmSuite(cudaDevices("sm_75", ["forward"]), ["i8"]);
});

it("sm_90a takes the kernels of sm_80", () => {
  const params = { n: 256, k: 256, group: 128, activation: "none", bias: false, gated: false } as const;
  const target = CUDA_TARGETS.find(({ cuda }) => String(cuda?.architectures) === "sm_90a");
  const variant = (activations: "i8" | "bf16") => {
    if (target === undefined) throw new Error("no target is for sm_90a alone");
    return defineKernel("ternary-gemm", { ...params, activations }, target).kernel.config.variant;
  };
  expect(variant("i8")).toBe("int8-mma");
  expect(variant("bf16")).toBe("bf16-mma");
});
