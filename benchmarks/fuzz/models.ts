import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileGraph, portTypesOf } from "../../compiler/compile-graph.js";
import { evaluateModel } from "../../compiler/evaluate.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { inspectGraph } from "../../compiler/inspect.js";
import { packRows } from "../../compiler/pack/tensor-rows.js";
import { recognition } from "../../compiler/recognize/recognition.js";
import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import { typeOf } from "../../ir/graph/graph.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { makeNoise } from "../../runtime/noise.js";
import { cpu } from "../../targets/index.js";
import { type Dice, dice } from "./dice.js";
import { copyChanged } from "./mutate-checkpoint.js";
import { mutateOnnx } from "./mutate-onnx.js";

/** What became of the cases. */
export interface Counts {
  readonly cases: number;
  /** The importer or recognition refused. */
  refused: number;
  /** The interpreter gave a result; the kernels gave the same. */
  evaluated: number;
  equal: number;
  /** What must not be, one line each. */
  readonly findings: string[];
}

/** Errors that say that tritc is wrong, not the model. */
const DEFECTS: ReadonlySet<string> = new Set([
  "TRITC_E_PASS",
  "TRITC_E_IR",
  "TRITC_E_PROGRAM",
  "TRITC_E_INTERNAL",
]);
const SLOW_MS = 10_000;
/** Inputs of so many elements at most are run. */
const MOST_ELEMENTS = 1 << 20;

/** Writes a change of a model into an empty folder and gives its path. */
export type Seed = (folder: string, roll: Dice) => string;

/** Changes of an ONNX file. */
export function onnxSeed(bytes: Uint8Array): Seed {
  return (folder, roll) => {
    const path = join(folder, "model.onnx");
    writeFileSync(path, mutateOnnx(bytes, roll));
    return path;
  };
}

/** Changes of a Diffusers folder. */
export function checkpointSeed(from: string): Seed {
  return (folder, roll) => {
    copyChanged(from, folder, roll);
    return folder;
  };
}

/** Runs cases `first` to `first + cases − 1` through inspect, eval and compile; each is a change of one of the seeds. */
export async function fuzzModels(
  seeds: readonly Seed[],
  { cases, first, device }: { readonly cases: number; readonly first: number; readonly device: Device },
): Promise<Counts> {
  const counts: Counts = { cases, refused: 0, evaluated: 0, equal: 0, findings: [] };
  for (let number = first; number < first + cases; number++) {
    const roll = dice(number);
    const folder = mkdtempSync(join(tmpdir(), "tritc-fuzz-"));
    const began = performance.now();
    try {
      const path = seeds[roll(seeds.length)]?.(folder, roll) ?? folder;
      const files = readdirSync(folder).length;
      await once(path, roll, device, counts);
      if (readdirSync(folder).length !== files) counts.findings.push(`${number}: files were left`);
    } catch (error) {
      counts.findings.push(`${number}: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const took = performance.now() - began;
    if (took > SLOW_MS) counts.findings.push(`${number}: took ${Math.round(took)} ms`);
  }
  return counts;
}

/** Throws what must not be thrown. */
async function once(path: string, roll: Dice, device: Device, counts: Counts): Promise<void> {
  const reader = fileReader();
  try {
    const imported = attempt(() => importModel(path));
    const found = imported && attempt(() => recognition(imported, reader));
    if (imported === undefined || found === undefined) {
      counts.refused++;
      return;
    }
    inspectGraph(found);
    const inputs = inputsOf(
      imported.inputs.map((id) => [id, typeOf(imported, id)]),
      roll,
    );
    const wanted = inputs && attempt(() => evaluateModel(imported, inputs, { reader }));
    if (wanted !== undefined) counts.evaluated++;
    const options = { ternarize: "none", activations: "f32" } as const;
    const dtypes = portTypesOf(imported);
    const compiled = await attemptAsync(() =>
      compileGraph(found.graph, reader, { target: cpu, options, sizes: {}, batchAxes: new Map(), dtypes }),
    );
    if (compiled === undefined || inputs === undefined || wanted === undefined) return;
    const results = await attemptAsync(() => run(compiled, reader, device, inputs));
    if (results === undefined) return;
    for (const [name, tensor] of wanted) compare(name, results.get(name), tensor);
    counts.equal++;
  } finally {
    reader.close();
  }
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    return refused(error);
  }
}

async function attemptAsync<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    return refused(error);
  }
}

function refused(error: unknown): undefined {
  if (!(error instanceof TritcError) || DEFECTS.has(error.code) || /\bbug\b/.test(error.details.remedy ?? ""))
    throw error;
  return undefined;
}

function inputsOf(
  types: readonly (readonly [string, ReturnType<typeof typeOf>])[],
  roll: Dice,
): ReadonlyMap<string, Tensor> | undefined {
  const sizes = new Map<string, number>();
  const inputs = new Map<string, Tensor>();
  for (const [id, { dtype, shape }] of types) {
    const numbers = (shape ?? [2, 3]).map((dim) => {
      if (typeof dim === "number") return dim;
      if (!sizes.has(dim)) sizes.set(dim, 1 + roll(4));
      return sizes.get(dim) ?? 1;
    });
    const count = countOf(numbers);
    if (count > MOST_ELEMENTS) return undefined;
    const noise = makeNoise(1 + roll(1000), count);
    if (dtype === "f32") inputs.set(id, { dtype, shape: numbers, data: noise });
    else if (dtype === "i64")
      inputs.set(id, {
        dtype,
        shape: numbers,
        data: BigInt64Array.from(noise, (v) => BigInt(Math.round(v))),
      });
    else if (dtype === "bool")
      inputs.set(id, { dtype, shape: numbers, data: Uint8Array.from(noise, (v) => (v > 0 ? 1 : 0)) });
    else return undefined;
  }
  return inputs;
}

async function run(
  { lowered, kernels }: Awaited<ReturnType<typeof compileGraph>>,
  reader: ByteReader,
  device: Device,
  inputs: ReadonlyMap<string, Tensor>,
): Promise<ReadonlyMap<string, Tensor>> {
  const byId = new Map(kernels.map((kernel) => [kernel.id, kernel]));
  const scales = new WeakMap<Constant, Float32Array>();
  const code = {
    source: (id: string) => byId.get(id)?.source ?? "",
    binary: (id: string) => new Uint8Array(byId.get(id)?.binary ?? []),
  };
  const tensors = new Map(lowered.tensors.map((tensor) => [tensor.name, tensor]));
  const bytes = async (name: string) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`no tensor ${name}`);
    return Buffer.concat([...packRows(tensor, reader, scales)]);
  };
  const loaded = await device.load(lowered.program, code, { bytes }, {});
  try {
    return await evaluateBundle(loaded, lowered.program, inputs);
  } finally {
    await loaded.close();
  }
}

/** Values that are not finite may be any such in kernels, which f32 sums of another order overflow in. */
function compare(name: string, found: Tensor | undefined, wanted: Tensor): void {
  if (found === undefined || `${found.shape}` !== `${wanted.shape}` || found.dtype !== wanted.dtype)
    throw new Error(`${name}: ${found?.dtype}[${found?.shape}] instead of ${wanted.dtype}[${wanted.shape}]`);
  let distance = 0;
  let norm = 0;
  for (let i = 0; i < wanted.data.length; i++) {
    const [a, b] = [Number(found.data[i]), Number(wanted.data[i])];
    if (!Number.isFinite(b) || Math.abs(b) > 1e30) continue;
    distance += (a - b) ** 2;
    norm += b ** 2;
  }
  if (!(Math.sqrt(distance) <= 1e-3 * Math.max(1e-3, Math.sqrt(norm))))
    throw new Error(`${name}: the kernels differ from the interpreter by ${Math.sqrt(distance / norm)}`);
}
