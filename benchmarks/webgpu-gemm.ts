/**
 * One linear layer on WebGPU: ours against ONNX Runtime's WebGPU provider, on the same adapter in the same process.
 * By default the software adapter, as everywhere without a GPU; `--gpu` takes a real one. `/128`: a scale for each 128
 * inputs of a row.
 *
 *   node dist/benchmarks/webgpu-gemm.js [--m 512] [--k 3072] [--n 3072] [--repeat 3] [--gpu]
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { denseLayout, ternaryLayout } from "../ir/families/contract/weights.js";
import { phasesWith } from "../ir/program/phases.js";
import type { Launch, Program, ProgramBuffer } from "../ir/program/program.js";
import { groupsOf } from "../ir/ternary/groups.js";
import { packTritRow, tritRowBytes } from "../ir/ternary/trits.js";
import type { Device } from "../runtime/device.js";
import { loadVulkanLoader, prepareSoftwareVulkan } from "../runtime/node/software-adapter.js";
import { createNodeWebGpuDevice } from "../runtime/node/webgpu-device.js";
import { webgpu } from "../targets/index.js";
import { defineKernel, gridOf, type KernelDefinition } from "../templates/index.js";
import { renderTemplate } from "../templates/render.js";
import { matMulModel } from "./matmul-model.js";

export interface GemmSize {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

export interface GemmResult {
  readonly name: string;
  readonly milliseconds: number;
  /** Billions of multiply-adds a second. */
  readonly gmacs: number;
  /** ONNX Runtime's time divided by this one. */
  readonly ratio: number;
  /** Largest error relative to the largest result, against double precision on a sample of outputs. */
  readonly error: number;
}

interface Problem extends GemmSize {
  readonly x: Float32Array<ArrayBuffer>;
  /** Dense weights that are ternary: scale · code, [n, k]. */
  readonly w: Float32Array<ArrayBuffer>;
  readonly codes: Int8Array;
  readonly scale: number;
}

function makeProblem({ m, k, n }: GemmSize): Problem {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const codes = Int8Array.from({ length: n * k }, () => Math.floor(next() * 3) - 1);
  const scale = 0.0625;
  return {
    m,
    k,
    n,
    x: Float32Array.from({ length: m * k }, () => next() - 0.5),
    w: Float32Array.from(codes, (t) => t * scale),
    codes,
    scale,
  };
}

/** Times `run` after one run to warm up: the best of `repeat`. */
async function best(repeat: number, run: () => Promise<void>): Promise<number> {
  await run();
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < repeat; i++) {
    const start = performance.now();
    await run();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

function errorOf({ x, w, m, k, n }: Problem, y: ArrayLike<number>): number {
  let worst = 0;
  let largest = 0;
  for (let s = 0; s < 200; s++) {
    const [r, o] = [(s * 7919) % m, (s * 104729) % n];
    let sum = 0;
    for (let i = 0; i < k; i++) sum += (x[r * k + i] ?? 0) * (w[o * k + i] ?? 0);
    worst = Math.max(worst, Math.abs(sum - (y[r * n + o] ?? Number.NaN)));
    largest = Math.max(largest, Math.abs(sum));
  }
  return worst / largest;
}

interface Variant {
  readonly name: string;
  readonly gemm: KernelDefinition;
  readonly unpack: KernelDefinition;
  readonly words: number;
  /** Scales, all the same, in the kernel's layout. */
  readonly scales: number;
  readonly stored: Uint8Array;
  readonly int8: boolean;
  readonly ternary: boolean;
}

function variants(p: Problem): readonly Variant[] {
  const { n, k } = p;
  const rowBytes = tritRowBytes(k);
  const trits = new Uint8Array(n * rowBytes);
  for (let o = 0; o < n; o++) {
    packTritRow(p.codes.subarray(o * k, (o + 1) * k), trits.subarray(o * rowBytes, (o + 1) * rowBytes));
  }
  const epilogue = { activation: "none", bias: false, gated: false } as const;
  const ternary = (activations: "i8" | "f32", group?: 128): Variant => ({
    name: `ternary${group === undefined ? "" : `/${group}`} weights, ${activations} rows`,
    gemm: defineKernel(
      "ternary-gemm",
      { n, k, activations, ...(group === undefined ? {} : { group }), ...epilogue },
      webgpu,
    ),
    unpack: defineKernel("unpack-trits", { n, k, activations }, webgpu),
    words: ternaryLayout({ n, k, activations }).words.wgsl,
    scales: group === undefined ? n : denseLayout({ n, k: groupsOf(k, group) }).words.wgsl,
    stored: trits,
    int8: activations === "i8",
    ternary: true,
  });
  const dense: Variant = {
    name: "f32 weights, f32 rows",
    gemm: defineKernel("dense-gemm", { n, k, ...epilogue }, webgpu),
    unpack: defineKernel("unpack-dense", { n, k, source: "f32" }, webgpu),
    words: denseLayout({ n, k }).words.wgsl,
    scales: n,
    stored: new Uint8Array(p.w.buffer),
    int8: false,
    ternary: false,
  };
  return [ternary("i8"), ternary("i8", 128), ternary("f32"), ternary("f32", 128), dense];
}

/** A program that quantizes rows in `prompt` and multiplies in `step`. */
function programOf(p: Problem, v: Variant): { readonly program: Program; source(id: string): string } {
  const { m, k, n } = p;
  const kPad = Math.ceil(k / 16) * 16;
  const quantize = defineKernel("quantize-rows", { c: k }, webgpu);
  const definitions = new Map<string, KernelDefinition>([
    ["gemm", v.gemm],
    ["unpack", v.unpack],
    ["quantize", quantize],
  ]);
  if (v.gemm.fallback !== null) definitions.set("fallback", v.gemm.fallback);
  const arg = (buffer: string, rowStride: number) => ({ buffer, offset: 0, rowStride, stepStride: 0 });
  const quantized = [arg("q", kPad), arg("rowScale", 1), arg("rowSum", 1)];
  const rows = (v.int8 ? quantized : [arg("x", k)]).filter(({ buffer }) =>
    v.gemm.kernel.args.some(({ name }) => name === buffer),
  );
  const launch = (
    kernel: string,
    count: number,
    args: Launch["args"],
    sizes: [number, number, number],
  ): Launch => ({
    kernel,
    rows: count,
    args,
    scalars: [],
    grid: gridOf(definitions.get(kernel) ?? v.gemm, sizes),
    label: kernel,
  });
  const host = { kind: "host" } as const;
  const buffers: ProgramBuffer[] = [
    { id: "stored", dtype: "u8", elements: v.stored.length, storage: { kind: "staging", tensor: "stored" } },
    { id: "weights", dtype: v.ternary ? "u32" : "f32", elements: v.words, storage: { kind: "resident" } },
    { id: "scales", dtype: "f32", elements: v.scales, storage: { kind: "weight", tensor: "scales" } },
    { id: "x", dtype: "f32", elements: m * k, storage: host },
    { id: "q", dtype: "i8", elements: m * kPad, storage: { kind: "arena", slot: 0 } },
    { id: "rowScale", dtype: "f32", elements: m, storage: { kind: "arena", slot: 1 } },
    { id: "rowSum", dtype: "i32", elements: m, storage: { kind: "arena", slot: 2 } },
    { id: "out", dtype: "f32", elements: m * n, storage: { kind: "arena", slot: 3 } },
  ];
  const weights = [arg("weights", 0), ...(v.ternary ? [arg("scales", 0)] : [])];
  return {
    program: {
      target: "webgpu",
      symbols: [],
      buffers,
      kernels: [...definitions].map(([id, { kernel }]) => ({
        ...kernel,
        id,
        fallback: id === "gemm" && definitions.has("fallback") ? "fallback" : null,
      })),
      phases: phasesWith({
        load: [launch("unpack", n, [arg("stored", 0), arg("weights", 0)], [n, 1, 1])],
        prompt: v.int8 ? [launch("quantize", m, [arg("x", k), ...quantized], [1, m, 1])] : [],
        step: [launch("gemm", m, [...rows, ...weights, arg("out", n)], [n, m, 1])],
        euler: [],
      }),
      inputs: [],
      outputs: [],
      model: null,
    },
    source(id) {
      const definition = definitions.get(id);
      if (definition === undefined) throw new Error(`no kernel ${id}`);
      return renderTemplate(definition.template, definition.values);
    },
  };
}

async function timeOurs(device: Device, p: Problem, v: Variant, repeat: number) {
  const { program, source } = programOf(p, v);
  const code = { source, binary: () => new Uint8Array() };
  const loaded = await device.load(program, code, {
    bytes: async (tensor) =>
      tensor === "scales" ? new Uint8Array(new Float32Array(v.scales).fill(p.scale).buffer) : v.stored,
  });
  try {
    await loaded.bind({});
    loaded.write("x", p.x);
    // Quantizing the rows is part of the layer.
    const milliseconds = await best(repeat, () => loaded.run(["prompt", "step"], 0));
    return { milliseconds, y: await loaded.read("out") };
  } finally {
    await loaded.close();
  }
}

/** The float graph, MatMul(x, wᵀ), in ONNX Runtime. */
async function timeOrt(p: Problem, repeat: number) {
  const ort = await import("onnxruntime-node");
  const { m, k, n } = p;
  const transposed = new Float32Array(k * n);
  for (let o = 0; o < n; o++) for (let i = 0; i < k; i++) transposed[i * n + o] = p.w[o * k + i] ?? 0;
  const session = await ort.InferenceSession.create(matMulModel(m, k, n, transposed), {
    executionProviders: ["webgpu"],
    logSeverityLevel: 3,
  });
  const feeds = { x: new ort.Tensor("float32", p.x, [m, k]) };
  let y: ArrayLike<number> = [];
  const milliseconds = await best(repeat, async () => {
    const { y: out } = await session.run(feeds);
    if (out === undefined || !(out.data instanceof Float32Array)) throw new Error("no result came back");
    y = out.data;
  });
  await session.release();
  return { milliseconds, y };
}

/** Measures the layer on every variant; the first result is ONNX Runtime's. */
async function compareGemm(
  size: GemmSize,
  options: { readonly repeat?: number; readonly gpu?: boolean } = {},
): Promise<readonly GemmResult[]> {
  const { repeat = 3, gpu = false } = options;
  if (!gpu) {
    // ONNX Runtime has a Dawn of its own, which finds drivers as every Vulkan program does.
    const { icd, loader } = await prepareSoftwareVulkan();
    await loadVulkanLoader(async () => loader);
    process.env.VK_ICD_FILENAMES = icd;
    process.env.VK_DRIVER_FILES = icd;
  }
  const problem = makeProblem(size);
  const device = await createNodeWebGpuDevice({ software: gpu ? "never" : "always" });
  const macs = size.m * size.k * size.n;
  const results: GemmResult[] = [];
  const add = (name: string, { milliseconds, y }: { milliseconds: number; y: ArrayLike<number> }): void => {
    const reference = results[0]?.milliseconds ?? milliseconds;
    results.push({
      name,
      milliseconds,
      gmacs: macs / milliseconds / 1e6,
      ratio: reference / milliseconds,
      error: errorOf(problem, y),
    });
  };
  try {
    add("onnxruntime-node webgpu, f32", await timeOrt(problem, repeat));
    for (const variant of variants(problem)) {
      add(variant.name, await timeOurs(device, problem, variant, repeat));
    }
  } finally {
    await device.close();
  }
  return results;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      m: { type: "string", default: "512" },
      k: { type: "string", default: "3072" },
      n: { type: "string", default: "3072" },
      repeat: { type: "string", default: "3" },
      gpu: { type: "boolean", default: false },
    },
  });
  const size = { m: Number(values.m), k: Number(values.k), n: Number(values.n) };
  const results = await compareGemm(size, { repeat: Number(values.repeat), gpu: values.gpu });
  console.log(`[${size.m}, ${size.k}] x [${size.k}, ${size.n}]`);
  for (const { name, milliseconds, gmacs, ratio, error } of results) {
    console.log(
      `${name.padEnd(30)} ${milliseconds.toFixed(1).padStart(9)} ms ${gmacs.toFixed(2).padStart(8)} GMAC/s ${ratio.toFixed(2).padStart(6)}x  error ${error.toExponential(1)}`,
    );
  }
  console.log(JSON.stringify({ ...size, results }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
