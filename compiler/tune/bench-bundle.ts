import type { Bindings } from "../../ir/dim.js";
import { phasesThatRun } from "../../ir/program/phases.js";
import type { Kernel, Program } from "../../ir/program/program.js";
import { launchWork, timeFloor, type Work } from "../../ir/program/work.js";
import { type OpenedBundle, openBundle } from "../../runtime/node/bundle.js";
import { type OpenDeviceOptions, openDevice } from "../../runtime/node/open-device.js";
import { type DeviceKind, deviceKinds } from "../../targets/device-kind.js";
import { targetByName } from "../../targets/index.js";
import { ratesOf } from "../../targets/rates.js";
import { DeviceProcess } from "./device-process.js";
import { randomInputs } from "./random-inputs.js";
import { measureCase, type Variant } from "./search.js";
import { median, spreadOf } from "./statistics.js";
import { casesOf, plannedBindings, runOn } from "./subjects.js";

export interface BenchOptions extends OpenDeviceOptions {
  readonly bundle: string;
  /** Kernels whose id contains one of these; all if absent. */
  readonly kernels?: readonly string[] | undefined;
  /** Runs of each kernel, and of a step. */
  readonly rounds: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
  readonly child?: URL;
}

/** A kernel by itself, with operands that no cache holds. */
export interface BenchedKernel {
  readonly kernel: string;
  readonly family: string;
  readonly rows: number;
  /** Launches of a step. */
  readonly launches: number;
  /** Of a launch. */
  readonly seconds: number;
  readonly spread: number;
  /** Operations and bytes per second. */
  readonly operationsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Of the time that the device needs at its peak rates; null where they are not known. */
  readonly share: number | null;
}

export interface BenchReport {
  readonly bundle: string;
  readonly device: string;
  readonly sizes: Bindings;
  readonly kernels: readonly BenchedKernel[];
  /** Seconds of the whole, with random inputs. */
  readonly load: number;
  readonly prompt: number;
  readonly step: number;
  readonly spread: number;
  /** Seconds of a step's kernels by themselves. */
  readonly sum: number;
  /** Seconds of a step at the device's peak rates; null where they are not known. */
  readonly floor: number | null;
}

/** Measures a bundle's kernels at its first size, each by itself, then a prompt and steps as a whole. */
export async function benchBundle(options: BenchOptions): Promise<BenchReport> {
  const bundle = await openBundle(options.bundle);
  const { program, manifest } = bundle;
  const target = targetByName(program.target);
  const [sizes = {}] = plannedBindings(manifest);
  const process = new DeviceProcess({ ...options, target: target.name });
  try {
    const { kind } = await process.opened();
    const device = deviceKinds(target)[kind];
    const chosen = program.kernels.flatMap((kernel) => {
      const isWanted = options.kernels?.some((part) => kernel.id.includes(part)) !== false;
      return isWanted ? casesOf(program, kernel, [sizes]).map((counted) => ({ kernel, counted })) : [];
    });
    const kernels: BenchedKernel[] = [];
    for (const [i, { kernel, counted }] of chosen.entries()) {
      options.signal?.throwIfAborted();
      const variant = device === undefined ? undefined : variantOf(bundle, device, kernel);
      if (variant !== undefined) {
        const { setting, runs } = await measureCase(counted, variant, { program, process }, options.rounds);
        const [work] = launchWork(program, [counted.case.launch], sizes);
        const seconds = median(runs) / setting.launches;
        kernels.push({
          kernel: kernel.id,
          family: kernel.family,
          rows: counted.rows,
          launches: counted.count,
          seconds,
          spread: spreadOf(runs),
          ...ratesIn(work, seconds, timeFloor(work === undefined ? [] : [work], ratesOf(target))),
        });
      }
      options.onProgress?.(i + 1, chosen.length);
    }
    process.close();
    const whole = await wholeOf(bundle, sizes, options);
    const launches = program.phases.filter(({ runs }) => runs === "step").flatMap((phase) => phase.launches);
    return {
      bundle: options.bundle,
      ...whole,
      sizes,
      kernels,
      sum: kernels.reduce((sum, kernel) => sum + kernel.seconds * kernel.launches, 0),
      floor: timeFloor(launchWork(program, launches, sizes), ratesOf(target)),
    };
  } finally {
    process.close();
  }
}

function ratesIn(work: Work | undefined, seconds: number, floor: number | null) {
  const { int8 = 0, bf16 = 0, f32 = 0 } = work?.operations ?? {};
  return {
    operationsPerSecond: (int8 + bf16 + f32) / seconds,
    bytesPerSecond: ((work?.readBytes ?? 0) + (work?.writtenBytes ?? 0)) / seconds,
    share: floor === null ? null : floor / seconds,
  };
}

/** A kernel with the code that a bundle has of it. */
function variantOf({ program, code }: OpenedBundle, device: DeviceKind, head: Kernel): Variant | undefined {
  const kernel = runOn(device, head, program.kernels);
  const launch = program.phases
    .flatMap(({ launches }) => launches)
    .find((candidate) => candidate.kernel === head.id);
  if (kernel === undefined || launch === undefined) return undefined;
  const [x = 1, y = 1, z = 1] = launch.grid.map((axis) => axis.tile);
  const isText = program.target === "webgpu";
  return {
    config: kernel.config,
    kernel,
    tile: [x, y, z],
    code: {
      source: isText ? code.source(kernel.id) : "",
      binary: isText ? null : code.binary(kernel.id),
    },
  };
}

/** Loading, a prompt, and steps. */
async function wholeOf(bundle: OpenedBundle, sizes: Bindings, options: BenchOptions) {
  const { program, manifest } = bundle;
  const device = await openDevice(program.target, options);
  try {
    const { promptWeights } = manifest.memory;
    const timed = async (work: () => Promise<unknown>) => {
      options.signal?.throwIfAborted();
      const begun = performance.now();
      const result = await work();
      return { result, seconds: (performance.now() - begun) / 1000 };
    };
    const begun = performance.now();
    const loaded = await device.load(program, bundle.code, bundle.weights, { promptWeights });
    const load = (performance.now() - begun) / 1000;
    await loaded.bind(sizes);
    writeInputs(program, loaded, sizes);
    const run = (runs: "prompt" | "step") => timed(() => loaded.run(phasesThatRun(program, runs), 0));
    const prompt = await run("prompt");
    const steps: number[] = [];
    for (let i = 0; i < options.rounds; i++) steps.push((await run("step")).seconds);
    return {
      device: device.description,
      load,
      prompt: prompt.seconds,
      step: median(steps),
      spread: spreadOf(steps),
    };
  } finally {
    await device.close();
  }
}

function writeInputs(
  program: Program,
  loaded: { write(buffer: string, data: Float32Array): void },
  sizes: Bindings,
): void {
  for (const [name, { data }] of randomInputs(program, 0, sizes)) {
    const port = program.inputs.find((input) => input.name === name);
    if (port !== undefined && data instanceof Float32Array) loaded.write(port.buffer, data);
  }
}
