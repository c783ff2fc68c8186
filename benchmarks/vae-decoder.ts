/**
 * The decoder of FLUX.1's autoencoder with made-up weights on the cpu target, against ONNX Runtime's CPU provider running the same
 * graph, in one process with as many threads each, in turns. Besides the time that passes, the processors' time counts, which
 * depends less on what else runs on the machine.
 *
 *   npm run build && node dist/benchmarks/vae-decoder.js [--size 256] [--threads 2] [--runs 3]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
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

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "256" },
    threads: { type: "string", default: String(availableParallelism()) },
    runs: { type: "string", default: "3" },
  },
});
const threads = Number(values.threads);
const side = Number(values.size) / PIXELS_PER_LATENT;
const graph = vaeDecoderGraph();
const [input = "", output = ""] = [graph.inputs[0], graph.outputs[0]];
const data = Float32Array.from({ length: 16 * side * side }, (_, i) => Math.sin(i * 0.7 + 0.1));
const shape = [1, 16, side, side];

async function onnxRuntime(folder: string): Promise<() => Promise<Float32Array>> {
  const file = join(folder, "model.onnx");
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
  const session = await InferenceSession.create(file, {
    ...{ intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 },
  });
  return async () => {
    const results = await session.run({ [input]: new OrtTensor("float32", data, shape) });
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
  const inputs = new Map([[input, { dtype: "f32", shape, data } as const]]);
  return async () =>
    (await evaluateBundle(loaded, lowered.program, inputs)).get(output)?.data as Float32Array;
}

const folder = await mkdtemp(join(tmpdir(), "tritc-vae-"));
try {
  const kinds = { "ONNX Runtime": await onnxRuntime(folder), tritc: await compiled() };
  const results = new Map<string, Float32Array>();
  const times = new Map<string, { readonly wall: number; readonly processor: number }[]>();
  for (let run = 0; run <= Number(values.runs); run++) {
    for (const [kind, decode] of Object.entries(kinds)) {
      const [start, before] = [performance.now(), process.cpuUsage()];
      results.set(kind, await decode());
      const { user, system } = process.cpuUsage(before);
      const time = { wall: performance.now() - start, processor: (user + system) / 1000 };
      // The first run of each makes its memory.
      if (run > 0) times.set(kind, [...(times.get(kind) ?? []), time]);
    }
  }
  const [wanted, found] = [...results.values()];
  let [distance, norm] = [0, 0];
  for (const [i, w] of (wanted ?? []).entries()) {
    distance += ((found?.[i] ?? Number.NaN) - w) ** 2;
    norm += w ** 2;
  }
  console.log(
    `${values.size} x ${values.size}, ${threads} threads, relative difference ${Math.sqrt(distance / norm)}`,
  );
  const best = (kind: string, of: "wall" | "processor") =>
    Math.min(...(times.get(kind) ?? []).map((time) => time[of]));
  console.table(
    Object.keys(kinds).map((kind) => ({
      kind,
      "s (best)": (best(kind, "wall") / 1000).toFixed(2),
      "processor s (best)": (best(kind, "processor") / 1000).toFixed(2),
      "x onnxruntime": (best("ONNX Runtime", "wall") / best(kind, "wall")).toFixed(2),
      "x by processor": (best("ONNX Runtime", "processor") / best(kind, "processor")).toFixed(2),
    })),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exit(0);
