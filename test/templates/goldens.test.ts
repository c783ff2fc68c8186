/**
 * The rendered source of one kernel per family and target, so that a change of a template or a refactor shows as a
 * diff. `UPDATE_GOLDENS=1` rewrites them. What the kernels compute is tested in `test/kernels/`.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { TARGETS } from "../../targets/index.js";
import { binary, input, unary } from "../../templates/elementwise/expression.js";
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
  "euler-step": { c: 64 },
  "unpack-trits": { n: 96, k: 80, activations: "i8" },
  "unpack-dense": { n: 96, k: 80, source: "bf16" },
};

/** A definition and the fallbacks behind it, with a name for each. */
function variants(family: string, definition: KernelDefinition): (readonly [string, KernelDefinition])[] {
  const rest = definition.fallback === null ? [] : variants(`${family}.fallback`, definition.fallback);
  return [[family, definition], ...rest];
}

function define<F extends Family>(family: F, target: (typeof TARGETS)[number]): KernelDefinition {
  return defineKernel(family, EXAMPLES[family], target);
}

describe.each(TARGETS)("kernels of $name", (target) => {
  const families = Object.keys(EXAMPLES) as Family[];
  const kernels = families.flatMap((family) => variants(family, define(family, target)));
  it.each(kernels)("%s", (name, definition) => {
    const file = join(import.meta.dirname, "goldens", `${name}.${target.language}`);
    const source = renderTemplate(definition.template, definition.values);
    if (process.env.UPDATE_GOLDENS === "1") {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, source);
    }
    expect(source).toBe(readFileSync(file, "utf8"));
  });
});
