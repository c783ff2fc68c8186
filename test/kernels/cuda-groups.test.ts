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

it("sm_75 and sm_90a take the kernels of older ones", () => {
  const params = { n: 256, k: 256, group: 128, activation: "none", bias: false, gated: false } as const;
  const variant = (architecture: "sm_75" | "sm_90a", activations: "i8" | "bf16") => {
    const target = CUDA_TARGETS.find(({ cuda }) => String(cuda?.architectures) === architecture);
    if (target === undefined) throw new Error(`no target is for ${architecture} alone`);
    return defineKernel("ternary-gemm", { ...params, activations }, target).kernel.config.variant;
  };
  expect(variant("sm_75", "i8")).toBe("int8-dp4a");
  expect(variant("sm_90a", "i8")).toBe("int8-mma");
  expect(variant("sm_90a", "bf16")).toBe("bf16-mma");
});
