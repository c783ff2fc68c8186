/**
 * The decoder of FLUX.1's autoencoder with made-up weights on the cpu target, against ONNX Runtime's CPU provider running the same
 * graph with as many threads. Each has a process of its own for every run, in turns, so that the most memory that the process had is
 * its own; weights are loaded before the time counts. Besides the time that passes, the processors' time counts, which
 * depends less on what else runs on the machine.
 *
 *   npm run build && node dist/benchmarks/vae-decoder.js [--size 256] [--threads 2] [--runs 3] [--repeat 1]
 *
 * A run decodes `--repeat` times, and the fastest counts: with 1 that is the decoding that makes its memory, too.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { compileGraph } from "../compiler/compile-graph.js";
import { writeModelFiles } from "../compiler/onnx-export/files.js";
import { lowestOpset } from "../compiler/onnx-export/format.js";
import { type Port, writeGraph } from "../compiler/onnx-export/graph.js";
import { packRows } from "../compiler/pack/tensor-rows.js";
import { dtypeOf, type Graph, shapeOf, type ValueId } from "../ir/graph/graph.js";
import { evaluateBundle } from "../runtime/evaluate.js";
import { createNodeCpuDevice } from "../runtime/node/cpu.js";
import { cpu } from "../targets/index.js";
import { madeUpWeights, vaeDecoderGraph } from "./vae-graph.js";

const PIXELS_PER_LATENT = 8;
const KINDS = ["ONNX Runtime", "tritc"] as const;
type Kind = (typeof KINDS)[number];

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "256" },
    threads: { type: "string", default: String(availableParallelism()) },
    runs: { type: "string", default: "3" },
    repeat: { type: "string", default: "1" },
    /** What a process of its own runs, and the folder of the model and of results. */
    only: { type: "string" },
    folder: { type: "string" },
  },
});
const threads = Number(values.threads);
const side = Number(values.size) / PIXELS_PER_LATENT;
const graph = vaeDecoderGraph();
const [input = "", output = ""] = [graph.inputs[0], graph.outputs[0]];
const shape = [1, 16, side, side];

/** What a process tells: seconds of its fastest decoding, and the most memory it had, in bytes. */
interface Measured {
  readonly wall: number;
  readonly processor: number;
  readonly memory: number;
}

function latents(): Float32Array {
  return Float32Array.from({ length: 16 * side * side }, (_, i) => Math.sin(i * 0.7 + 0.1));
}

async function exportModel(file: string): Promise<void> {
  const port = (of: Graph, name: ValueId): Port => ({
    name,
    dtype: dtypeOf(of, name),
    dims: shapeOf(of, name).map((dim) => (typeof dim === "number" ? dim : null)),
  });
  const form = "dequantized";
  const written = writeGraph(graph, {
    ...{ form, type: "f32", reader: madeUpWeights },
    ...{ inputs: [port(graph, input)], outputs: [port(graph, output)] },
  });
  await writeModelFiles(file, {
    ...{ name: graph.name, opset: lowestOpset(form), producerVersion: "0", graph: written },
  });
}

async function onnxRuntime(file: string): Promise<() => Promise<Float32Array>> {
  const { InferenceSession, Tensor } = await import("onnxruntime-node");
  const session = await InferenceSession.create(file, {
    ...{ intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 },
  });
  return async () => {
    const results = await session.run({ [input]: new Tensor("float32", latents(), shape) });
    return results[output]?.data as Float32Array;
  };
}

async function compiled(): Promise<() => Promise<Float32Array>> {
  const sizes = { latent_height: side, latent_width: side };
  const { lowered, kernels } = await compileGraph(graph, madeUpWeights, {
    target: cpu,
    options: { ternarize: "none", activations: "f32" },
    sizes,
    planned: [sizes],
    batchAxes: new Map(),
  });
  const device = await createNodeCpuDevice({ threads });
  const binaries = new Map(kernels.map(({ id, binary }) => [id, new Uint8Array(binary ?? [])]));
  const tensors = new Map(lowered.tensors.map((tensor) => [tensor.name, tensor]));
  const code = { source: () => "", binary: (id: string) => binaries.get(id) ?? new Uint8Array() };
  const loaded = await device.load(lowered.program, code, {
    async bytes(name) {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new Error(`no tensor ${name}`);
      return Buffer.concat([...packRows(tensor, madeUpWeights, new WeakMap())]);
    },
  });
  const inputs = new Map([[input, { dtype: "f32", shape, data: latents() } as const]]);
  return async () =>
    (await evaluateBundle(loaded, lowered.program, inputs)).get(output)?.data as Float32Array;
}

const modelIn = (folder: string) => join(folder, "model", "model.onnx");
const resultIn = (folder: string, kind: string) => join(folder, `${kind}.f32`);

/** Decodes in this process. */
async function measure(kind: string, folder: string): Promise<Measured> {
  const decode = kind === "tritc" ? await compiled() : await onnxRuntime(modelIn(folder));
  let [wall, processor] = [Infinity, Infinity];
  for (let run = 0; run < Number(values.repeat); run++) {
    const [start, before] = [performance.now(), process.cpuUsage()];
    const result = await decode();
    const { user, system } = process.cpuUsage(before);
    wall = Math.min(wall, (performance.now() - start) / 1e3);
    processor = Math.min(processor, (user + system) / 1e6);
    if (run === 0) await writeFile(resultIn(folder, kind), result);
  }
  return { wall, processor, memory: process.resourceUsage().maxRSS * 1024 };
}

async function inItsProcess(kind: Kind, folder: string): Promise<Measured> {
  const { size, threads: count, repeat } = values;
  const options = [
    "--size",
    size,
    "--threads",
    count,
    "--repeat",
    repeat,
    "--only",
    kind,
    "--folder",
    folder,
  ];
  const { stdout } = await execa(process.execPath, [fileURLToPath(import.meta.url), ...options]);
  return JSON.parse(stdout) as Measured;
}

/** Relative L2 distance of the results. */
async function difference(folder: string): Promise<number> {
  const [wanted, found] = await Promise.all(
    KINDS.map(
      async (kind) => new Float32Array(new Uint8Array(await readFile(resultIn(folder, kind))).buffer),
    ),
  );
  let [distance, norm] = [0, 0];
  for (const [i, w] of (wanted ?? []).entries()) {
    distance += ((found?.[i] ?? Number.NaN) - w) ** 2;
    norm += w ** 2;
  }
  return Math.sqrt(distance / norm);
}

async function compareBoth(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tritc-vae-"));
  try {
    await mkdir(join(folder, "model"));
    await exportModel(modelIn(folder));
    const measured = new Map<Kind, Measured[]>(KINDS.map((kind) => [kind, []]));
    for (let run = 0; run < Number(values.runs); run++) {
      for (const kind of KINDS) measured.get(kind)?.push(await inItsProcess(kind, folder));
    }
    const relative = await difference(folder);
    console.log(`${values.size} x ${values.size}, ${threads} threads, relative difference ${relative}`);
    const best = (kind: Kind, of: keyof Measured) =>
      Math.min(...(measured.get(kind) ?? []).map((run) => run[of]));
    const ratio = (kind: Kind, of: keyof Measured) => (best("ONNX Runtime", of) / best(kind, of)).toFixed(2);
    console.table(
      KINDS.map((kind) => ({
        kind,
        "s (best)": best(kind, "wall").toFixed(2),
        "processor s (best)": best(kind, "processor").toFixed(2),
        "MB at most": Math.round(best(kind, "memory") / 1e6),
        "x onnxruntime": ratio(kind, "wall"),
        "x by processor": ratio(kind, "processor"),
        "x less memory": ratio(kind, "memory"),
      })),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (values.only === undefined) await compareBoth();
else console.log(JSON.stringify(await measure(values.only, values.folder ?? ".")));
process.exit(0);
