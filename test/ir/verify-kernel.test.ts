/** Records of kernels as the templates make them, for every architecture, and records that were changed. */
import { describe, expect, it } from "vitest";
import type { LaunchShape } from "../../ir/families/launch/form.js";
import { verifyKernel } from "../../ir/families/verify-kernel.js";
import type { CudaLaunch, Kernel } from "../../ir/program/program.js";
import { type Target, targetByName } from "../../targets/index.js";
import {
  defineKernel,
  type Family,
  type FamilyParams,
  type KernelDefinition,
} from "../../templates/index.js";

const h100 = targetByName("h100");

const GEMM = { n: 96, k: 300, activation: "none", bias: true, gated: false } as const;
const ATTENTION = { heads: 2, headDim: 128, scale: 0.5, storage: "bf16" } as const;

/** The kernels of a definition and its fallbacks. */
function kernelsOf<F extends Family>(family: F, params: FamilyParams[F], target: Target): readonly Kernel[] {
  const kernels: Kernel[] = [];
  for (
    let at: KernelDefinition | null = defineKernel(family, params, target);
    at !== null;
    at = at.fallback
  ) {
    kernels.push({ ...at.kernel, id: `k${kernels.length}`, fallback: null });
  }
  return kernels;
}

describe("how a CUDA kernel is launched", () => {
  it.each([targetByName("cuda-portable"), targetByName("v100"), h100])(
    "follows from its record on $name",
    (target) => {
      const kernels = [
        ...kernelsOf("ternary-gemm", { ...GEMM, activations: "i8" }, target),
        ...kernelsOf("ternary-gemm", { ...GEMM, activations: "bf16" }, target),
        ...kernelsOf("ternary-gemm", { ...GEMM, group: 128, activations: "i8" }, target),
        ...kernelsOf("attention", ATTENTION, target),
        ...kernelsOf("attention", { ...ATTENTION, headDim: 96, int8: true }, target),
        ...kernelsOf("dense-gemm", GEMM, target),
        ...kernelsOf("quantize-rows", { c: 15_360, x: "bf16" }, target),
      ];
      expect(kernels.length).toBeGreaterThan(5);
      for (const kernel of kernels) {
        const { workgroup, tile, sharedBytes } = verifyKernel(kernel, "cuda");
        expect({ workgroup, tile, sharedBytes }).toEqual<Partial<LaunchShape>>({
          workgroup: kernel.workgroup,
          tile: kernel.cuda!.tile,
          sharedBytes: kernel.cuda!.sharedBytes,
        });
      }
    },
  );

  const [hopper] = kernelsOf("ternary-gemm", { ...GEMM, activations: "i8" }, h100);
  const launch = (more: Partial<CudaLaunch>) => ({ ...hopper!, cuda: { ...hopper!.cuda!, ...more } });

  it.each([
    {
      change: "fewer stages than its shared memory is for",
      kernel: { ...hopper!, config: { ...hopper!.config, stages: 5 } },
      message: /sharedBytes are not those of its family\n.*196688\n.*221280/,
    },
    {
      change: "more stages than there are kernels for",
      kernel: { ...hopper!, config: { ...hopper!.config, stages: 9 } },
      message: /no kernel of its family with its config\n.*stages is 9, and can be 2, 3, …, 8/,
    },
    {
      change: "another architecture",
      kernel: { ...hopper!, features: ["sm_80"] },
      message: /does not say what it needs\n.*sm_90a\n.*sm_80/,
    },
    { change: "a tile", kernel: launch({ tile: [256, 128, 1] }), message: /its tile are not those/ },
    { change: "no tensor maps", kernel: launch({ tensorMaps: [] }), message: /its tensorMaps are not those/ },
    {
      change: "threads",
      kernel: { ...hopper!, workgroup: [256, 1, 1] as const },
      message: /its threads are not those of its family\n.*384,1,1.*\n.*256,1,1/,
    },
  ])("is refused with $change", ({ kernel, message }) => {
    expect(() => verifyKernel(kernel, "cuda")).toThrow(message);
  });
});
