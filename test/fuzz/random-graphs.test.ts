/** Random small models: ONNX Runtime, the interpreter and the compiled kernels must agree. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchAxesOf, compileGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { TritcError } from "../../ir/errors.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { type RandomGraph, randomGraph } from "../support/random-graph.js";
import { runCompiled } from "../support/run-compiled.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-random-"));
const reader = fileReader();
let device: Device;
beforeAll(async () => {
  device = await createNodeCpuDevice({ threads: 1 });
}, 60_000);
afterAll(async () => {
  await device.close();
  reader.close();
  rmSync(folder, { recursive: true });
}, 60_000);

type Outputs = ReadonlyMap<string, Tensor>;

async function onnxRuntime(graph: RandomGraph): Promise<Outputs> {
  const session = await ort.InferenceSession.create(graph.bytes, {
    logSeverityLevel: 3,
    intraOpNumThreads: 1,
  });
  const feeds = Object.fromEntries(
    [...graph.inputs].map(([name, t]) => [name, new ort.Tensor("float32", t.data as Float32Array, t.shape)]),
  );
  const results = await session.run(feeds);
  await session.release();
  return new Map(
    Object.entries(results).map(([name, t]) => [
      name,
      { dtype: "f32", shape: t.dims, data: t.data as Float32Array },
    ]),
  );
}

/** Largest difference relative to the largest value; Infinity for NaN on one side or another shape. */
function distance(found: Tensor | undefined, wanted: Tensor | undefined): number {
  if (found === undefined || wanted === undefined) return Number.POSITIVE_INFINITY;
  if (found.shape.join() !== wanted.shape.join()) return Number.POSITIVE_INFINITY;
  let [worst, peak] = [0, 1];
  for (let i = 0; i < wanted.data.length; i++) {
    const [a, b] = [Number(found.data[i]), Number(wanted.data[i])];
    if (Object.is(a, b)) continue;
    const apart = Math.abs(a - b);
    worst = Math.max(worst, Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart);
    peak = Math.max(peak, Math.abs(b));
  }
  return worst / peak;
}

const GRAPHS = 200;
let refused = 0;

describe("random graphs", () => {
  it.each(Array.from({ length: GRAPHS }, (_, k) => k + 1))("seed %i", async (seed) => {
    const graph = randomGraph(seed, 3 + (seed % 12));
    const file = join(folder, `${seed}.onnx`);
    writeFileSync(file, graph.bytes);
    const wanted = await onnxRuntime(graph);
    const imported = importOnnx(file);
    const interpreted = interpret(imported, graph.inputs, { reader });
    for (const name of graph.outputs) {
      const apart = distance(interpreted.get(name), wanted.get(name));
      expect(apart, `interpreter, ${name} of ${graph.operators}`).toBeLessThan(1e-4);
    }
    const options = { ternarize: "none", activations: "f32" } as const;
    const recognized = recognize(imported, reader);
    const stages = { target: cpu, options, sizes: {}, batchAxes: batchAxesOf(imported, recognized) };
    try {
      const compiled = await compileGraph(recognized, reader, stages);
      const found = await runCompiled(compiled, reader, device, graph.inputs);
      for (const name of graph.outputs) {
        const apart = distance(found.get(name), interpreted.get(name));
        expect(apart, `kernels, ${name} of ${graph.operators}`).toBeLessThan(1e-4);
      }
    } catch (error) {
      if (!(error instanceof TritcError) || error.code !== "TRITC_E_UNSUPPORTED_OP") throw error;
      refused++;
    }
  });

  it("most of them have kernels", () => {
    expect(refused).toBeLessThan(GRAPHS / 4);
  });
});
