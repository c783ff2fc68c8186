/**
 * `node dist/benchmarks/text-layer.js <folder> [--pipeline Flux2KleinPipeline] [--layers 1] [--tokens 512] [--held bf16]
 * [--threads 2] [--times 3]`: the first layers of a text encoder (`npm run synthesize` writes some) on the cpu target: what they
 * take in memory, and the least time of a pass over random tokens, which looks words up too, and of all processors in it.
 */
import { parseArgs } from "node:util";
import { table } from "../compiler/cli/terminal.js";
import { compileGraph, portTypesOf } from "../compiler/compile-graph.js";
import { fileReader } from "../compiler/file-reader.js";
import { textNetwork } from "../compiler/networks/text/index.js";
import { asStored, type TextWeights } from "../compiler/networks/text-weights.js";
import { pruneGraph } from "../compiler/rewrite/order.js";
import { formatBytes } from "../compiler/units.js";
import type { Graph } from "../ir/graph/graph.js";
import { HELD } from "../ir/ops/held.js";
import type { Tensor } from "../ir/tensor.js";
import { evaluateBundle } from "../runtime/evaluate.js";
import { createNodeCpuDevice } from "../runtime/node/cpu.js";
import { cpu } from "../targets/index.js";
import { uniform } from "../test/support/random.js";
import { loadCompiled } from "../test/support/run-compiled.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pipeline: { type: "string", default: "FluxPipeline" },
    layers: { type: "string", default: "1" },
    tokens: { type: "string", default: "512" },
    held: { type: "string" },
    threads: { type: "string", default: "2" },
    times: { type: "string", default: "3" },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("which text encoder?");
const [layers, tokens] = [Number(values.layers), Number(values.tokens)];

/** The graph up to the result of a layer. */
function cut(graph: Graph, last: number): Graph {
  const result = new RegExp(`^(encoder\\.layers|block|layers)\\.${last}\\.out$`);
  const found = graph.nodes.flatMap(({ outputs }) => outputs).find((id) => result.test(id));
  if (found === undefined) throw new Error(`there are no ${last + 1} layers`);
  const inputs = graph.inputs.filter((id) => graph.nodes.some((node) => node.inputs.includes(id)));
  return pruneGraph({ ...graph, inputs, outputs: [found] });
}

const whole = textNetwork(folder, values.pipeline).build();
const graph = cut(whole, layers - 1);
const held: TextWeights =
  values.held === "f32" ? "f32" : (HELD.find((known) => known === values.held) ?? asStored(whole));
const multiplications = graph.nodes.reduce((sum, { op, inputs }) => {
  const [rows = 0, columns = 0] = graph.constants.get(inputs[1] ?? "")?.shape ?? [];
  return op === "linear" ? sum + rows * columns : sum;
}, 0);

const reader = fileReader();
const compiled = await compileGraph(graph, reader, {
  target: cpu,
  options: { ternarize: "none", activations: "f32", weights: held },
  sizes: { tokens },
  batchAxes: new Map(),
  dtypes: portTypesOf(graph),
});
const device = await createNodeCpuDevice({ threads: Number(values.threads) });
const loaded = await loadCompiled(compiled, reader, device);
const random = uniform(1);
const words = graph.constants.get("embed_tokens.weight")?.shape[0] ?? 1000;
const inputs = new Map<string, Tensor>(
  graph.inputs.map((id) => {
    const fixed = graph.types.get(id)?.shape?.[1];
    const count = typeof fixed === "number" ? fixed : tokens;
    const value = () => (id === "attention_mask" ? 1n : BigInt(Math.floor(random() * words)));
    return [id, { dtype: "i64", shape: [1, count], data: BigInt64Array.from({ length: count }, value) }];
  }),
);
let least = Number.POSITIVE_INFINITY;
/** Of all processors together, which says more where other programs run beside it. */
let leastWork = Number.POSITIVE_INFINITY;
for (let i = 0; i < Number(values.times); i++) {
  const [started, before] = [performance.now(), process.cpuUsage()];
  const [result] = (await evaluateBundle(loaded, compiled.lowered.program, inputs)).values();
  least = Math.min(least, performance.now() - started);
  const { user, system } = process.cpuUsage(before);
  leastWork = Math.min(leastWork, (user + system) / 1000);
  if (result?.data.every((x) => Number.isFinite(Number(x))) !== true)
    throw new Error("the result is not finite");
}
const rows = [
  ["weights held in", held],
  ["memory", `${formatBytes(loaded.peakMemoryBytes())} at most`],
  ["time", `${least.toFixed(0)} ms for ${layers} of its layers, ${tokens} tokens`],
  ["processor time", `${leastWork.toFixed(0)} ms`],
  ["linears", `${((2 * multiplications * tokens) / leastWork / 1e6).toFixed(1)} GFLOP/s of a processor`],
] as const;
process.stdout.write(`${table(rows)}\n`);
await loaded.close();
await device.close();
reader.close();
