/**
 * Every CUDA kernel of the shapes model and of FLUX.1-dev through nvcc, for an Ampere and a Hopper GPU; `npm run check:cuda`
 * does all architectures. On a machine without nvcc the sources are checked as far as that goes.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type CheckedKernel,
  checkKernels,
  cudaKernels,
  targetFor,
} from "../../benchmarks/check-cuda/kernels.js";
import { cudaSource, generateKernels } from "../../compiler/codegen/generate-kernels.js";
import { compileCuda, compileToPtx, ptxArchitecture } from "../../compiler/codegen/nvcc/compile.js";
import { findToolkit, type Toolkit } from "../../compiler/codegen/nvcc/toolkit.js";
import { type CompileOptions, compileModel } from "../../compiler/compile.js";
import type { SelectedKernel } from "../../compiler/lower/index.js";
import { TritcError } from "../../ir/errors.js";
import { openBundle } from "../../runtime/node/bundle.js";
import { cacheDir } from "../../runtime/node/cache-dir.js";
import { type Architecture, cudaPortable, type Target } from "../../targets/index.js";
import { defineKernel, type Family, type FamilyParams } from "../../templates/index.js";

const models = join(import.meta.dirname, "..", "models");
const folder = mkdtempSync(join(tmpdir(), "tritc-cuda-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ARCHITECTURES: readonly Architecture[] = ["sm_80", "sm_90a"];
const MINUTES = 60_000;

/** The machine's nvcc, or why there is none for these architectures. */
const toolkit = await findToolkit(ARCHITECTURES, "this machine").catch((error: unknown) => {
  if (error instanceof TritcError && /^TRITC_E_(?:NVCC|TOOLKIT)$/.test(error.code)) return error;
  throw error;
});

let kernels: readonly CheckedKernel[] = [];
beforeAll(async () => {
  const activations = ["int8", "bf16"] as const;
  kernels = await cudaKernels({ architectures: ARCHITECTURES, activations, groups: ["row"], models });
});

/** One kernel without a model around it. */
function select<F extends Family>(family: F, params: FamilyParams[F], target: Target): SelectedKernel {
  const definition = defineKernel(family, params, target);
  return { kernel: { ...definition.kernel, id: family, fallback: null }, definition };
}

const GEMM = { n: 3072, k: 3072, activation: "none", bias: true, gated: false } as const;

describe("sources", () => {
  it("of both models exist for both architectures, whole", () => {
    for (const architecture of ARCHITECTURES) {
      for (const model of ["shapes", "FLUX.1-dev"]) {
        const found = kernels.filter((k) => k.architecture === architecture && k.models.includes(model));
        const families = new Set(found.map(({ kernel }) => kernel.definition.kernel.family));
        for (const family of [
          "ternary-gemm",
          "attention",
          "adaln-quantize",
          "quantize-rows",
          "unpack-trits",
        ]) {
          expect(families, `${model} for ${architecture}`).toContain(family);
        }
      }
    }
    for (const { kernel } of kernels) {
      expect(kernel.source, kernel.id).not.toMatch(/#\s*include/);
      expect(kernel.source, kernel.id).toMatch(/extern "C" __global__/);
    }
  });

  const compile = (options: Partial<CompileOptions>) =>
    compileModel({
      input: join(models, "shapes-ternary", "transformer", "model.onnx"),
      out: join(folder, "bundle"),
      target: "h200",
      ternarize: "exact",
      activations: "int8",
      ...options,
    });

  it("make a bundle without nvcc, which a GPU's runtime refuses", async () => {
    const report = await compile({ emit: "source" });
    expect(report.resources).toEqual([]);
    const files = readdirSync(join(report.out, "kernels"));
    expect(files.length).toBe(report.kernels);
    expect(files.every((file) => file.endsWith(".cu"))).toBe(true);
    const { code, program } = await openBundle(report.out);
    expect(() => code.binary(program.kernels[0]?.id ?? "")).toThrow(
      expect.objectContaining({
        code: "TRITC_E_BUNDLE_SOURCE",
        message: expect.stringMatching(/without --emit source/),
      }),
    );
  });

  it("are what remains where nvcc is asked for and there is none", async () => {
    const empty = { env: { PATH: join(folder, "no-programs") }, installed: folder };
    const kernel = select("ternary-gemm", { ...GEMM, activations: "i8" }, targetFor("sm_80"));
    const options = { target: targetFor("sm_80"), toolkit: empty };
    await expect(generateKernels([kernel], options)).rejects.toMatchObject({
      code: "TRITC_E_NVCC",
      details: { remedy: expect.stringMatching(/CUDA toolkit.*--emit source/) },
    });
    const [artifact] = await generateKernels([kernel], { ...options, emit: "source" });
    expect(artifact).toMatchObject({ binary: null, resources: [], language: "cuda" });
  });
});

if (toolkit instanceof TritcError) {
  it("nvcc is not on this machine: only sources were checked", () => {
    console.warn(toolkit.message);
  });
} else {
  withNvcc(toolkit);
}

function withNvcc(nvcc: Toolkit): void {
  describe.each(ARCHITECTURES)("%s", (architecture) => {
    it(
      "compiles every kernel without spills, within its shared memory and registers",
      async () => {
        const mine = kernels.filter((k) => k.architecture === architecture);
        const results = await checkKernels(mine, nvcc, { cache: join(cacheDir(), "kernels") });
        expect(results.flatMap(({ error }) => error?.message ?? [])).toEqual([]);
        for (const { kernel, resources } of results) {
          expect(resources, kernel.id).toMatchObject({ architecture, spillBytes: 0, remarks: [] });
        }
      },
      10 * MINUTES,
    );
  });

  it.each([
    ["sm_80", 32],
    ["sm_80", 128],
    ["sm_90a", 128],
    ["sm_90a", 256],
  ] as const)(
    "%s has registers for the sums of groups of %i besides the results",
    async (architecture, group) => {
      const heads = { headDim: 128, columns: 6144, epsilon: 1e-6 };
      const params = { ...GEMM, n: 9216, activations: "i8", out: "bf16", group, heads } as const;
      const source = cudaSource(select("ternary-gemm", params, targetFor(architecture)), false);
      const { resources } = await compileCuda(source, { toolkit: nvcc, cache: join(cacheDir(), "kernels") });
      expect(resources).toMatchObject([{ architecture, spillBytes: 0, remarks: [] }]);
    },
    2 * MINUTES,
  );

  describe("matrix instructions", () => {
    const ptxOf = (architecture: Architecture, activations: "i8" | "bf16") => {
      const kernel = select("ternary-gemm", { ...GEMM, activations }, targetFor(architecture));
      return compileToPtx(cudaSource(kernel, false), architecture, { toolkit: nvcc });
    };

    it.each([
      ["sm_80", "i8", /mma\.sync\.aligned\.m16n8k32\.row\.col\.s32\.u8\.s8\.s32/],
      ["sm_80", "bf16", /mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.bf16\.bf16\.f32/],
      ["sm_90a", "i8", /wgmma\.mma_async\.sync\.aligned\.m64n\d+k32\.s32\.u8\.s8/],
      ["sm_90a", "bf16", /wgmma\.mma_async\.sync\.aligned\.m64n\d+k16\.f32\.bf16\.bf16/],
    ] as const)(
      "of %s with %s activations are in the PTX",
      async (architecture, activations, instruction) => {
        expect(await ptxOf(architecture, activations)).toMatch(instruction);
      },
    );
  });

  const small = select("gather", { c: 64 }, targetFor("sm_80"));

  it("makes the same bytes every time, and keeps them", async () => {
    const cache = join(folder, "cache");
    const source = cudaSource(small, false);
    const first = await compileCuda(source, { toolkit: nvcc, cache });
    const [entry = "", ...rest] = readdirSync(cache);
    expect(rest).toEqual([]);
    expect(await compileCuda(source, { toolkit: nvcc })).toEqual(first);
    const kept = readFileSync(join(cache, entry));
    expect(await compileCuda(source, { toolkit: { ...nvcc, nvcc: "/nowhere" }, cache })).toEqual(first);
    writeFileSync(join(cache, entry), kept.subarray(0, kept.length - 1));
    expect(await compileCuda(source, { toolkit: nvcc, cache })).toEqual(first);
    expect(readdirSync(cache)).toEqual([entry]);
    expect(readFileSync(join(cache, entry)).length).toBeGreaterThan(first.binary.length);
  });

  it("puts every architecture into a portable binary, and PTX for those to come", async () => {
    const { architectures = [] } = cudaPortable.cuda ?? {};
    const kernel = cudaSource(select("gather", { c: 64 }, cudaPortable), true);
    const { resources, binary } = await compileCuda(kernel, { toolkit: nvcc });
    expect(resources.map(({ architecture }) => architecture)).toEqual(architectures);
    const exact = await compileCuda({ ...kernel, ptx: false }, { toolkit: nvcc });
    expect(binary.length).toBeGreaterThan(exact.binary.length);
    expect(ptxArchitecture(architectures)).toBe("sm_75");
    expect(ptxArchitecture(["sm_90a"])).toBeUndefined();
  });

  it("shows a compiler's error at the template's line", async () => {
    const { values } = small.definition;
    const broken = { ...small, definition: { ...small.definition, values: { ...values, threads: "256 +" } } };
    const run = generateKernels([broken], { target: targetFor("sm_80") });
    const error: unknown = await run.catch((e: unknown) => e);
    if (!(error instanceof TritcError)) throw error;
    const { code, place = "", message, found } = error.details;
    expect(code).toBe("TRITC_E_CUDA_COMPILE");
    expect(found).toContain("{{threads}}");
    const template = `templates/${small.definition.template}`;
    const line = Number(/:(\d+) \(gather\)$/.exec(place)?.[1]);
    expect(place).toBe(`${template}:${line} (gather)`);
    expect(message).toContain(`${template}(${line}): error: expected an expression`);
    const text = readFileSync(join(import.meta.dirname, "..", "..", template), "utf8").split("\n");
    expect(text[line - 1]?.trim()).toBe(found);
  });

  it("refuses a kernel that spills", async () => {
    const { values } = small.definition;
    const spilling = `${String(values.header)}
extern "C" __global__ void __launch_bounds__(1024, 2) spills(float* x) {
  float v[64];
  for (int i = 0; i < 64; i++) v[i] = x[threadIdx.x + 1024 * i];
  for (int j = 0; j < 64; j++) for (int i = 0; i < 64; i++) v[i] = v[i] * v[(i + j) % 64] + x[j];
  for (int i = 0; i < 64; i++) x[threadIdx.x + 1024 * i] = v[i];
}`;
    const definition = { ...small.definition, values: { ...values, header: spilling } };
    const run = generateKernels([{ ...small, definition }], { target: targetFor("sm_80") });
    await expect(run).rejects.toMatchObject({
      code: "TRITC_E_KERNEL_RESOURCES",
      details: { place: "gather on sm_80", found: expect.stringMatching(/^\d+ bytes of spill/) },
    });
  });

  it("leaves nothing behind when it is stopped", async () => {
    const temporary = join(folder, "tmp");
    mkdirSync(temporary);
    const before = process.env.TMPDIR;
    process.env.TMPDIR = temporary;
    try {
      const stop = new AbortController();
      const target = targetFor("sm_90a");
      const gemm = select("ternary-gemm", { ...GEMM, activations: "i8" }, target);
      const run = generateKernels([gemm], { target, signal: stop.signal });
      run.catch(() => undefined);
      while (readdirSync(temporary).length === 0) await setTimeout(5);
      stop.abort(new Error("stopped"));
      await expect(run).rejects.toThrow("stopped");
      expect(readdirSync(temporary)).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    }
  });
}
