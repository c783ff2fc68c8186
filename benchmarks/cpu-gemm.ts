/**
 * The cpu target's matrix products against ONNX Runtime's CPU provider (one f32 MatMul with a constant weight), in one
 * process with as many threads each. Activation quantization is inside the measured int8 time. `/128`: a scale for each 128
 * inputs of a row.
 *
 *   npm run build && node dist/benchmarks/cpu-gemm.js [--threads 2] [--json]
 */

import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { Bench } from "tinybench";
import { assembleWat } from "../compiler/codegen/assemble-wat.js";
import { paddedK } from "../ir/families/contract/arguments.js";
import { denseLayout, ternaryLayout } from "../ir/families/contract/weights.js";
import { phasesWith } from "../ir/program/phases.js";
import type { Kernel, Launch, Program, ProgramBuffer } from "../ir/program/program.js";
import { groupsOf } from "../ir/ternary/groups.js";
import type { LoadedProgram } from "../runtime/device.js";
import { createNodeCpuDevice } from "../runtime/node/cpu.js";
import { cpu } from "../targets/index.js";
import { defineKernel, gridOf, type KernelDefinition } from "../templates/index.js";
import { renderTemplate } from "../templates/render.js";
import { matMulModel } from "./matmul-model.js";

interface Shape {
  readonly name: string;
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

const SHAPES: readonly Shape[] = [
  { name: "FLUX.1-dev projection, 512 tokens", m: 512, k: 3072, n: 3072 },
  { name: "shapes model qkv", m: 28, k: 256, n: 768 },
  { name: "shapes model single-block qkv and MLP", m: 28, k: 256, n: 1792 },
  { name: "shapes model single-block output", m: 28, k: 1280, n: 256 },
  { name: "modulation, 50 steps", m: 50, k: 256, n: 1536 },
  { name: "one row", m: 1, k: 3072, n: 9216 },
];
const KINDS = ["int8", "int8/128", "f32", "f32/128", "dense"] as const;
type Kind = (typeof KINDS)[number];

export interface GemmTiming {
  readonly shape: string;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly kind: Kind | "onnxruntime";
  readonly medianMs: number;
  /** The fastest run: what is left when other processes take turns on the cores. */
  readonly bestMs: number;
  /** 10⁹ multiply-adds a second, by the fastest run. */
  readonly gmacs: number;
  /** ONNX Runtime's median time over this one's: above 1 is faster. */
  readonly speedup: number;
  /** The same by the fastest runs. */
  readonly bestSpeedup: number;
}

/** Median times of every kind at every shape. */
async function benchmarkGemm(threads: number, shapes: readonly Shape[] = SHAPES): Promise<GemmTiming[]> {
  const timings: GemmTiming[] = [];
  for (const shape of shapes) {
    const times = new Map<GemmTiming["kind"], { readonly median: number; readonly best: number }>();
    const { m, k, n } = shape;
    const session = await InferenceSession.create(matMulModel(m, k, n, numbers(k * n)), {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
    });
    const x = new Tensor("float32", numbers(m * k), [m, k]);
    const bench = new Bench({ time: 300, warmupTime: 200, iterations: 5 });
    bench.add("onnxruntime", async () => {
      await session.run({ x });
    });
    const device = await createNodeCpuDevice({ threads });
    for (const kind of KINDS) {
      const loaded = await loadGemm(device, shape, kind);
      bench.add(kind, () => loaded.run(["step"], 0));
    }
    await bench.run();
    for (const task of bench.tasks) {
      const { result } = task;
      if (result.state !== "completed") throw new Error(`${shape.name}, ${task.name}: ${result.state}`);
      times.set(task.name as GemmTiming["kind"], { median: result.latency.p50, best: result.latency.min });
    }
    await device.close();
    await session.release();
    const reference = times.get("onnxruntime") ?? { median: Number.NaN, best: Number.NaN };
    for (const [kind, { median, best }] of times) {
      timings.push({
        shape: shape.name,
        m,
        k,
        n,
        kind,
        medianMs: median,
        bestMs: best,
        gmacs: (m * k * n) / best / 1e6,
        speedup: reference.median / median,
        bestSpeedup: reference.best / best,
      });
    }
  }
  return timings;
}

async function loadGemm(
  device: Awaited<ReturnType<typeof createNodeCpuDevice>>,
  { m, k, n }: Shape,
  kind: Kind,
): Promise<LoadedProgram> {
  const common = { n, k, activation: "none", bias: false, gated: false } as const;
  const activations = kind.startsWith("int8") ? "i8" : "f32";
  const dense = kind === "dense";
  const group = kind.endsWith("/128") ? 128 : undefined;
  const gemm = dense
    ? defineKernel("dense-gemm", common, cpu)
    : defineKernel(
        "ternary-gemm",
        { ...common, ...(group === undefined ? {} : { group }), activations },
        cpu,
      );
  const words = dense ? denseLayout({ n, k }).words.wat : ternaryLayout({ n, k, activations }).words.wat;
  const quantize = activations === "i8" ? [defineKernel("quantize-rows", { c: k }, cpu)] : [];
  const scales = group === undefined ? n : denseLayout({ n, k: groupsOf(k, group) }).words.wat;
  const definitions = [...quantize, gemm];
  const kernels: Kernel[] = [];
  const binaries = new Map<string, Uint8Array<ArrayBuffer>>();
  const add = async (definition: KernelDefinition, id: string) => {
    kernels.push({ ...definition.kernel, id, fallback: null });
    binaries.set(
      id,
      await assembleWat(renderTemplate(definition.template, definition.values), definition.template),
    );
  };
  // Any bits of weights take the same time; these are valid codes and ordinary floats.
  const weights = new Map<string, Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>>([
    ["weights", dense ? numbers(words) : new Int32Array(words).fill(0x11224455)],
    ["scales", numbers(scales)],
  ]);
  const launches: Launch[] = [];
  const buffers = new Map<string, ProgramBuffer>();
  const elements: Readonly<Record<string, number>> = {
    x: m * k,
    q: m * paddedK(k),
    rowScale: m,
    rowSum: m,
    weights: words,
    scales,
    out: m * n,
  };
  const strides: Readonly<Record<string, number>> = { x: k, q: paddedK(k), rowScale: 1, rowSum: 1, out: n };
  for (const [i, definition] of definitions.entries()) {
    await add(definition, `k${i}`);
    for (const { name, dtype } of definition.kernel.args) {
      const storage = weights.has(name)
        ? ({ kind: "weight", tensor: name } as const)
        : ({ kind: "host" } as const);
      buffers.set(name, { id: name, dtype, elements: elements[name] ?? 0, storage });
    }
    launches.push({
      kernel: `k${i}`,
      rows: m,
      args: definition.kernel.args.map(({ name }) => ({
        buffer: name,
        offset: 0,
        rowStride: strides[name] ?? 0,
        stepStride: 0,
      })),
      scalars: [],
      grid: gridOf(definition, [definition === gemm ? n : 1, m, 1]),
      label: definition.kernel.family,
    });
  }
  const program: Program = {
    target: cpu.name,
    symbols: [],
    buffers: [...buffers.values()],
    kernels,
    phases: phasesWith({ load: [], prompt: [], step: launches, euler: [] }),
    inputs: [],
    outputs: [],
    model: null,
  };
  const code = { source: () => "", binary: (id: string) => binaries.get(id) ?? new Uint8Array() };
  const loaded = await device.load(program, code, {
    bytes: async (name) => new Uint8Array(weights.get(name)?.buffer ?? new ArrayBuffer(0)),
  });
  await loaded.bind({});
  loaded.write("x", numbers(m * k));
  return loaded;
}

function numbers(count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7 + 0.1));
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { threads: { type: "string" }, json: { type: "boolean" } } });
  const threads = values.threads === undefined ? availableParallelism() : Number(values.threads);
  const timings = await benchmarkGemm(threads);
  if (values.json === true) {
    console.log(JSON.stringify({ threads, timings }, null, 2));
    return;
  }
  console.table(
    timings.map(({ m, k, n, kind, medianMs, bestMs, gmacs, speedup, bestSpeedup }) => ({
      "M x K x N": `${m} x ${k} x ${n}`,
      kind,
      "ms (median)": medianMs.toFixed(3),
      "ms (best)": bestMs.toFixed(3),
      "GMAC/s (best)": gmacs.toFixed(1),
      "x onnxruntime (median)": speedup.toFixed(2),
      "x onnxruntime (best)": bestSpeedup.toFixed(2),
    })),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
