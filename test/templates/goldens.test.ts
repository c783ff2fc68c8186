/**
 * The rendered source of one kernel per family and target, and for CUDA per architecture that has a kernel of its own, so
 * that a change of a template or a refactor shows as a diff. `UPDATE_GOLDENS=1` rewrites them. What the kernels compute
 * is tested in `test/kernels/`.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { binary, input, unary } from "../../ir/families/expression.js";
import { FAMILIES } from "../../ir/families/index.js";
import { cpu, cudaPortable, type Target, targetByName, webgpu } from "../../targets/index.js";
import {
  defineKernel,
  type Family,
  type FamilyParams,
  type KernelDefinition,
} from "../../templates/index.js";
import { renderTemplate } from "../../templates/render.js";

const gemm = { n: 96, k: 80, activation: "gelu-tanh", bias: true, gated: false } as const;

const EXAMPLES: { readonly [F in Family]: FamilyParams[F] } = {
  "ternary-gemm": { ...gemm, activations: "i8" },
  "dense-gemm": { ...gemm, activation: "none", gated: true },
  attention: { heads: 2, headDim: 32, scale: 0.5 },
  adaln: { c: 96, epsilon: 1e-6 },
  "adaln-quantize": { c: 72, epsilon: 1e-6 },
  "quantize-rows": { c: 72 },
  "qk-norm-rope": { heads: 2, headDim: 32, norm: true, epsilon: 1e-6, weight: true, rope: true },
  "layer-norm": { c: 96, epsilon: 1e-5, scale: true, bias: true },
  "rope-table": { axesDims: [8, 12, 12], theta: 10000, frequencies: null },
  "timestep-embedding": {
    dim: 32,
    factor: 1000,
    maxPeriod: 10000,
    shift: 0,
    sinFirst: false,
    frequencies: null,
  },
  elementwise: {
    rank: 2,
    inputs: ["f32", "f32"],
    output: "f32",
    expression: binary("add", input(0), unary("tanh", input(1))),
  },
  reduce: { fn: "mean" },
  softmax: { log: false },
  matmul: {},
  gather: { c: 24 },
  "image-conv": {
    ...{ n: 96, c: 20, kernelY: 3, kernelX: 3, stride: 1, top: 1, left: 1, upsample: 2 },
    bias: true,
    residual: true,
  },
  "channel-moments": { c: 40, parts: 8 },
  "group-factors": { groups: 4, channels: 10, parts: 8, epsilon: 1e-6 },
  "group-norm": { c: 40, activation: "silu" },
  "unpack-trits": { n: 96, k: 80, activations: "i8" },
  "unpack-dense": { n: 96, k: 80, source: "bf16" },
  "unpack-narrow": { n: 96, k: 96, held: "int4" },
};

interface Golden {
  readonly file: string;
  readonly definition: KernelDefinition;
}

/** Where the parameters above would show none of the kernels that GPUs run. */
const CUDA_EXAMPLES: Partial<{ readonly [F in Family]: FamilyParams[F] }> = {
  attention: { heads: 2, headDim: 128, scale: 0.5, storage: "bf16" },
};

/** A definition and the fallbacks behind it. */
function variants(definition: KernelDefinition): readonly KernelDefinition[] {
  return [definition, ...(definition.fallback === null ? [] : variants(definition.fallback))];
}

function define<F extends Family>(family: F, target: Target): readonly KernelDefinition[] {
  const cuda = target.language === "cuda" ? CUDA_EXAMPLES[family] : undefined;
  return variants(defineKernel(family, cuda ?? EXAMPLES[family], target));
}

const families = Object.keys(EXAMPLES) as Family[];

/** Ternary weights with a scale for each group of inputs: kernels of their own. */
const GROUPS: FamilyParams["ternary-gemm"] = { ...gemm, group: 32, activations: "i8" };

/** Attention as text encoders have it. */
const TERMS: FamilyParams["attention"] = {
  heads: 4,
  keyValueHeads: 2,
  headDim: 32,
  scale: 0.5,
  causal: true,
  bias: true,
  mask: "i32",
};

/** Filters in the form of Winograd's method. */
const FILTERS: FamilyParams["image-conv"] = { ...EXAMPLES["image-conv"], n: 70, c: 64, winograd: true };
const UNPACKED_FILTERS: FamilyParams["unpack-dense"] = { n: 70, k: 9 * 64, source: "f16", winograd: true };

const DENSE_TF32: FamilyParams["dense-gemm"] = { ...EXAMPLES["dense-gemm"], products: "tf32" };
const CONV_TF32: FamilyParams["image-conv"] = { ...EXAMPLES["image-conv"], products: "tf32" };

/** Kernels of tensor cores alone; on others products are those of f32. */
function inTf32(definition: KernelDefinition): readonly KernelDefinition[] {
  return variants(definition).filter(({ kernel }) => kernel.features.includes("sm_80"));
}

/** What goldens are called, and the kernels of a target that they are of. */
function examples(target: Target): readonly (readonly [name: string, readonly KernelDefinition[]])[] {
  return [
    ...families.map((family) => [family, define(family, target)] as const),
    ["ternary-gemm-groups", variants(defineKernel("ternary-gemm", GROUPS, target))],
    ["attention-terms", variants(defineKernel("attention", TERMS, target))],
    ...(target.winograd
      ? ([
          ["image-conv-winograd", variants(defineKernel("image-conv", FILTERS, target))],
          ["unpack-dense-winograd", variants(defineKernel("unpack-dense", UNPACKED_FILTERS, target))],
        ] as const)
      : []),
    ["gather-int8", variants(defineKernel("gather", { c: 96, held: "int8" }, target))],
    ...(target.language === "cuda"
      ? ([
          ["dense-gemm-tf32", inTf32(defineKernel("dense-gemm", DENSE_TF32, target))],
          ["image-conv-tf32", inTf32(defineKernel("image-conv", CONV_TF32, target))],
        ] as const)
      : []),
    ["dense-gemm-int8", variants(defineKernel("dense-gemm", { ...gemm, k: 96, held: "int8" }, target))],
  ];
}

/** `<name>.wgsl`, and `<name>.fallback.wgsl` for devices that lack something. */
function goldens(target: Target): readonly Golden[] {
  return examples(target).flatMap(([name, definitions]) =>
    definitions.map((definition, i) => ({
      file: `${name}${".fallback".repeat(i)}.${target.language}`,
      definition,
    })),
  );
}

/** `<name>.<the least architecture it runs on>.cu` */
function cudaGoldens(): readonly Golden[] {
  const all = [cudaPortable, targetByName("v100")].flatMap((target) =>
    examples(target).flatMap(([name, definitions]) =>
      definitions.map((definition) => ({
        file: `${name}.${definition.kernel.features.join("-")}.cu`,
        definition,
      })),
    ),
  );
  return [...new Map(all.reverse().map((golden) => [golden.file, golden])).values()];
}

describe.each([
  ["cpu", goldens(cpu)],
  ["webgpu", goldens(webgpu)],
  ["cuda", cudaGoldens()],
] as const)("kernels of %s", (_, expected) => {
  it.each(expected.map(({ file, definition }) => [file, definition] as const))("%s", (name, definition) => {
    const file = join(import.meta.dirname, "goldens", name);
    const source = renderTemplate(definition.template, definition.values);
    if (process.env.UPDATE_GOLDENS === "1") {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, source);
    }
    expect(source).toBe(readFileSync(file, "utf8"));
  });
});

describe("the record of a kernel", () => {
  const roundTrip = <F extends Family>(family: F, params: FamilyParams[F]) => {
    const record = JSON.parse(JSON.stringify(FAMILIES[family].record(params)));
    return FAMILIES[family].read({ id: family, params: record });
  };

  it.each(families)("of %s says its parameters", (family) => {
    const params = CUDA_EXAMPLES[family] ?? EXAMPLES[family];
    expect(roundTrip(family, params)).toEqual(params);
  });

  it("says what scores depend on", () => {
    expect(roundTrip("attention", TERMS)).toEqual(TERMS);
  });

  it("says the size of groups, which is one of a few", () => {
    expect(roundTrip("ternary-gemm", GROUPS)).toEqual(GROUPS);
    const record = { ...FAMILIES["ternary-gemm"].record(GROUPS), group: 48 };
    expect(() => FAMILIES["ternary-gemm"].read({ id: "k", params: record })).toThrow(
      /the parameter group[\s\S]*32 or 64 or 128 or 256/,
    );
  });
});
