/**
 * Convolutions of the cpu target, as FLUX's autoencoder has them, against ONNX Runtime's CPU provider (one f32 Conv on
 * planes), in one process with as many threads each: by Winograd's method, which programs take, and directly. Runs are taken in
 * turns, so that what else goes on on the machine meets all kinds; the processors' time depends less on it than the time that passes.
 *
 *   npm run build && node dist/benchmarks/cpu-conv.js [--threads 2] [--seconds 8] [--json]
 */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { assembleWat } from "../compiler/codegen/assemble-wat.js";
import { denseLayout, winogradLayout } from "../ir/families/contract/weights.js";
import { phasesWith } from "../ir/program/phases.js";
import type { Program, ProgramBuffer } from "../ir/program/program.js";
import type { Device, LoadedProgram } from "../runtime/device.js";
import { createNodeCpuDevice } from "../runtime/node/cpu.js";
import { cpu } from "../targets/index.js";
import { defineKernel, gridOf } from "../templates/index.js";
import { renderTemplate } from "../templates/render.js";
import { type ConvShape, convModel } from "./conv-model.js";

const SHAPES: readonly ConvShape[] = [
  { height: 64, width: 64, channels: 512, filters: 512 },
  { height: 128, width: 128, channels: 256, filters: 256 },
  { height: 256, width: 256, channels: 256, filters: 256 },
  { height: 256, width: 256, channels: 128, filters: 128 },
  { height: 256, width: 256, channels: 128, filters: 3 },
];

interface Timing extends ConvShape {
  readonly kind: string;
  readonly runs: number;
  readonly medianMs: number;
  /** Of all processors. */
  readonly processorMs: number;
  /** 10⁹ multiply-adds of the direct form in a second of a processor, by the median. */
  readonly gmacs: number;
  /** ONNX Runtime's median over this one's: above 1 is faster. */
  readonly speedup: number;
  /** The same by the processors' time. */
  readonly processorSpeedup: number;
}

interface Time {
  readonly wall: number;
  readonly processor: number;
}

async function benchmark(threads: number, seconds: number): Promise<readonly Timing[]> {
  const timings: Timing[] = [];
  const device = await createNodeCpuDevice({ threads });
  for (const shape of SHAPES) {
    const { height, width, channels, filters } = shape;
    const session = await InferenceSession.create(convModel(shape, numbers(filters * channels * 9)), {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
    });
    const x = new Tensor("float32", numbers(height * width * channels), [1, channels, height, width]);
    const [winograd, direct] = [await loadConv(device, shape, true), await loadConv(device, shape, false)];
    const kinds: Readonly<Record<string, () => Promise<unknown>>> = {
      onnxruntime: () => session.run({ x }),
      winograd: () => winograd.run(["step"], 0),
      direct: () => direct.run(["step"], 0),
    };
    const times = await inTurns(kinds, seconds);
    const reference = times.get("onnxruntime") ?? [];
    for (const [kind, all] of times) {
      const [medianMs, processorMs] = [median(all, "wall"), median(all, "processor")];
      timings.push({
        ...shape,
        kind,
        runs: all.length,
        medianMs,
        processorMs,
        gmacs: (height * width * channels * filters * 9) / processorMs / 1e6,
        speedup: median(reference, "wall") / medianMs,
        processorSpeedup: median(reference, "processor") / processorMs,
      });
    }
    await winograd.close();
    await direct.close();
    await session.release();
  }
  await device.close();
  return timings;
}

/** Milliseconds of each kind's runs, one after the other, after one that does not count. */
async function inTurns(
  kinds: Readonly<Record<string, () => Promise<unknown>>>,
  seconds: number,
): Promise<ReadonlyMap<string, readonly Time[]>> {
  const times = new Map<string, Time[]>(Object.keys(kinds).map((kind) => [kind, []]));
  const end = performance.now() + seconds * 1000;
  for (let turn = 0; turn < 4 || performance.now() < end; turn++) {
    for (const [kind, run] of Object.entries(kinds)) {
      const [start, before] = [performance.now(), process.cpuUsage()];
      await run();
      const { user, system } = process.cpuUsage(before);
      const time = { wall: performance.now() - start, processor: (user + system) / 1000 };
      if (turn > 0) times.get(kind)?.push(time);
    }
  }
  return times;
}

function median(times: readonly Time[], of: keyof Time): number {
  const values = times.map((time) => time[of]);
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function loadConv(device: Device, shape: ConvShape, winograd: boolean): Promise<LoadedProgram> {
  const { height, width, channels: c, filters: n } = shape;
  const layout = winograd ? winogradLayout : denseLayout;
  const definition = defineKernel(
    "image-conv",
    {
      ...{ n, c, kernelY: 3, kernelX: 3, stride: 1, top: 1, left: 1, upsample: 1 },
      bias: false,
      residual: false,
      ...(winograd ? { winograd } : {}),
    },
    cpu,
  );
  const binary = await assembleWat(
    renderTemplate(definition.template, definition.values),
    definition.template,
  );
  const rows = height * width;
  const weights = numbers(layout({ n, k: 9 * c }).words.wat);
  const sizes: Readonly<Record<string, readonly [elements: number, rowStride: number]>> = {
    x: [rows * c, c],
    weights: [weights.length, 0],
    out: [rows * n, n],
  };
  const program: Program = {
    target: cpu.name,
    symbols: [],
    buffers: definition.kernel.args.map(
      ({ name, dtype }): ProgramBuffer => ({
        id: name,
        dtype,
        elements: sizes[name]?.[0] ?? 0,
        storage: name === "weights" ? { kind: "weight", tensor: name } : { kind: "host" },
      }),
    ),
    kernels: [{ ...definition.kernel, id: "conv", fallback: null }],
    phases: phasesWith({
      step: [
        {
          kernel: "conv",
          rows,
          args: definition.kernel.args.map(({ name }) => ({
            buffer: name,
            offset: 0,
            rowStride: sizes[name]?.[1] ?? 0,
            stepStride: 0,
          })),
          scalars: [height, width, height, width, 0],
          grid: gridOf(definition, [n, rows, 1]),
          label: "conv",
        },
      ],
    }),
    inputs: [],
    outputs: [],
    model: null,
  };
  const code = { source: () => "", binary: () => new Uint8Array(binary) };
  const loaded = await device.load(program, code, { bytes: async () => new Uint8Array(weights.buffer) });
  await loaded.bind({});
  loaded.write("x", numbers(rows * c));
  return loaded;
}

function numbers(count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7 + 0.1));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { threads: { type: "string" }, seconds: { type: "string" }, json: { type: "boolean" } },
  });
  const threads = values.threads === undefined ? availableParallelism() : Number(values.threads);
  const timings = await benchmark(threads, Number(values.seconds ?? 8));
  if (values.json === true) {
    console.log(JSON.stringify({ threads, timings }, null, 2));
    return;
  }
  console.table(
    timings.map(({ height, width, channels, filters, ...timing }) => ({
      "H x W x C to N": `${height} x ${width} x ${channels} to ${filters}`,
      kind: timing.kind,
      runs: timing.runs,
      ms: timing.medianMs.toFixed(1),
      "processor ms": timing.processorMs.toFixed(1),
      "GMAC per processor s": timing.gmacs.toFixed(1),
      "x onnxruntime": timing.speedup.toFixed(2),
      "x by processor": timing.processorSpeedup.toFixed(2),
    })),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
