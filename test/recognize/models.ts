import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { type Pass, UNLIMITED } from "../../compiler/pass.js";
import { canonicalize } from "../../compiler/passes/canonicalize.js";
import { foldConstants } from "../../compiler/passes/fold-constants.js";
import { runPasses } from "../../compiler/passes/run-passes.js";
import type { Graph, ValueId } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import { allocate, type Tensor } from "../../ir/tensor.js";
import { openOnnx } from "../support/run-onnx.js";

export const reader = fileReader();

/** Batch axes bound to 1, as `compile` does. */
const BATCH = { batch_size: 1, step: 1 } as const;

export const context = {
  reader,
  options: { ternarize: "none", activations: "f32", bindings: BATCH, sizes: {}, limits: UNLIMITED },
} as const;

export const CANONICAL_PASSES: readonly Pass[] = [foldConstants, canonicalize];

const folder = mkdtempSync(join(tmpdir(), "tritc-recognize-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** Imports the bytes of a model through a file that lives as long as the process: constants are read late. */
export function importBytes(bytes: Uint8Array): Graph {
  const file = join(folder, `${files++}.onnx`);
  writeFileSync(file, bytes);
  return importOnnx(file);
}

export function canonical(graph: Graph): Graph {
  return runPasses(graph, CANONICAL_PASSES, context);
}

export function recognized(graph: Graph): Graph {
  return recognize(graph, reader);
}

export type NamedInput = {
  readonly type: string;
  readonly dims: readonly number[];
  readonly values: readonly number[];
};

export function tensorOf(input: NamedInput): Tensor {
  const dtype = input.type as Tensor["dtype"];
  const data = allocate(dtype, input.values.length);
  for (const [i, v] of input.values.entries()) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(v);
    else data[i] = v;
  }
  return { dtype, shape: input.dims, data };
}

function tensorsOf(inputs: Readonly<Record<string, NamedInput>>): Map<string, Tensor> {
  return new Map(Object.entries(inputs).map(([name, input]) => [name, tensorOf(input)]));
}

export function run(graph: Graph, inputs: Readonly<Record<ValueId, NamedInput>>): Float64Array {
  const result = interpret(graph, tensorsOf(inputs), { reader }).get(graph.outputs[0] ?? "");
  return Float64Array.from(result?.data ?? [], Number);
}

/** A model in ONNX Runtime, for any number of runs, each of which gives its first output. */
export async function openOrt(bytes: Uint8Array) {
  const model = await openOnnx(bytes);
  return {
    async run(inputs: Readonly<Record<string, NamedInput>>): Promise<Float64Array> {
      const [output] = (await model.run(tensorsOf(inputs))).values();
      return Float64Array.from(output?.data ?? [], Number);
    },
    release: model.release,
  };
}

export async function runOrt(
  bytes: Uint8Array,
  inputs: Readonly<Record<string, NamedInput>>,
): Promise<Float64Array> {
  const model = await openOrt(bytes);
  try {
    return await model.run(inputs);
  } finally {
    await model.release();
  }
}

/** Largest difference, relative to the largest magnitude. */
export function deviation(a: Float64Array, b: Float64Array): number {
  if (a.length !== b.length || a.length === 0) return Number.POSITIVE_INFINITY;
  const peak = a.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return a.reduce((m, v, i) => Math.max(m, Math.abs(v - (b[i] ?? Number.NaN))), 0) / peak;
}

/**
 * Frequency tables are rounded to f32 in the exports, so that an angle of 3500 (guidance 3.5) is known to
 * about 3e-4. Small conditioning values show that nothing else differs.
 */
export const CONDITIONINGS = [
  { conditioning: { timestep: 0.03, guidance: 0.02 }, tolerance: 1e-5 },
  { conditioning: { timestep: 0.875, guidance: 3.5 }, tolerance: 5e-5 },
] as const;
