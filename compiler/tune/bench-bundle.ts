import type { Bindings } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import { launchesThatRun, phasesThatRun } from "../../ir/program/phases.js";
import type { Kernel, Program } from "../../ir/program/program.js";
import { launchWork, timeFloor, type Work } from "../../ir/program/work.js";
import type { Device, LoadedProgram } from "../../runtime/device.js";
import { openBundle } from "../../runtime/node/bundle.js";
import { type OpenDeviceOptions, openDevice } from "../../runtime/node/open-device.js";
import { type DeviceKind, deviceKindWith } from "../../targets/device-kind.js";
import { targetByName } from "../../targets/index.js";
import { ratesOf } from "../../targets/rates.js";
import { DeviceProcess, Failed, TookTooLong } from "./device-process.js";
import { type BundleProgram, programsOf } from "./programs.js";
import { randomInputs } from "./random-inputs.js";
import { measureCase } from "./settle.js";
import { median, spreadOf } from "./statistics.js";
import { type CountedCase, casesOf, launchesOfRun, runOn } from "./subjects.js";
import type { Variant } from "./variants.js";

export interface BenchOptions extends OpenDeviceOptions {
  readonly bundle: string;
  /** Of the bundle's transformer and networks, those with these names; all that a picture from text takes if absent. */
  readonly networks?: readonly string[] | undefined;
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
  /** Launches of a run of its program: of a step. */
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
  readonly networks: readonly BenchedNetwork[];
}

/** A program of a bundle at its first size. */
export interface BenchedNetwork extends Pick<BundleProgram, "name" | "runs"> {
  readonly sizes: Bindings;
  readonly kernels: readonly BenchedKernel[];
  /** Seconds of the whole, with random inputs: of a transformer a step, of networks a run. */
  readonly load: number;
  readonly prompt: number;
  readonly step: number;
  readonly spread: number;
  /** Seconds of a step's kernels by themselves. */
  readonly sum: number;
  /** Seconds of a step at the device's peak rates; null where they are not known. */
  readonly floor: number | null;
}

/**
 * Measures the kernels of a bundle's programs at the first size, each by itself, then a prompt and steps as a whole. Throws
 * TRITC_E_TUNING and the errors of `openBundle` and of the device.
 */
export async function benchBundle(options: BenchOptions): Promise<BenchReport> {
  const bundle = await openBundle(options.bundle);
  const programs = await programsOf(bundle, options.networks);
  const chosen = programs.map((program) => chosenOf(program, options));
  if (options.kernels !== undefined && chosen.every(({ length }) => length === 0))
    throw noKernel(programs, options);
  const target = targetByName(bundle.program.target);
  const process = new DeviceProcess({ ...options, target: target.name });
  const benched: (readonly BenchedKernel[])[] = [];
  try {
    const opened = await process.opened();
    const kind = deviceKindWith(target, opened.kind, opened.features);
    const total = chosen.reduce((sum, { length }) => sum + length, 0);
    let done = 0;
    for (const [i, program] of programs.entries()) {
      const kernels: BenchedKernel[] = [];
      for (const one of chosen[i] ?? []) {
        options.signal?.throwIfAborted();
        const measured =
          kind === undefined
            ? undefined
            : await benchKernel(program, one, kind, process, options).catch((error: unknown) => {
                throw faultOf(one, error);
              });
        if (measured !== undefined) kernels.push(measured);
        options.onProgress?.(++done, total);
      }
      benched.push(kernels);
    }
  } finally {
    process.close();
  }
  const device = await openDevice(target.name, options);
  try {
    const networks: BenchedNetwork[] = [];
    for (const [i, program] of programs.entries())
      networks.push(await benchNetwork(program, benched[i] ?? [], device, options));
    return { bundle: options.bundle, device: device.description, networks };
  } finally {
    await device.close();
  }
}

interface Chosen {
  readonly kernel: Kernel;
  readonly counted: CountedCase;
}

/** What went wrong with a kernel, by its name. */
function faultOf({ kernel, counted }: Chosen, error: unknown): unknown {
  const place = `${kernel.id}, ${counted.rows} rows`;
  if (error instanceof Failed)
    return error.cause instanceof TritcError
      ? new TritcError({ ...error.cause.details, place })
      : error.cause;
  if (!(error instanceof TookTooLong)) return error;
  return new TritcError({
    code: "TRITC_E_KERNEL_STALLED",
    message: `the kernel gave ${error.message}`,
    place,
    remedy: "run the command again where the machine has nothing else to do",
  });
}

/** The kernels of a program that are to be measured, each at its numbers of rows. */
function chosenOf(
  { bundle: { program }, sizes }: BundleProgram,
  { kernels }: Pick<BenchOptions, "kernels">,
): readonly Chosen[] {
  const launches = launchesOfRun(program);
  return program.kernels.flatMap((kernel) => {
    const isWanted = kernels?.some((part) => kernel.id.includes(part)) !== false;
    return isWanted
      ? casesOf(program, kernel, sizes.slice(0, 1), launches).map((counted) => ({ kernel, counted }))
      : [];
  });
}

function noKernel(programs: readonly BundleProgram[], { kernels = [] }: BenchOptions): TritcError {
  const all = programs.flatMap((program) => chosenOf(program, {}).map(({ kernel }) => kernel.id));
  return new TritcError({
    code: "TRITC_E_TUNING",
    message: "no kernel of a step is meant by that",
    place: `--kernels ${kernels.join(",")}`,
    expected: [...new Set(all)].join(", "),
    remedy: "name a part of one of these ids, or leave the option out",
    exitCode: 2,
  });
}

async function benchKernel(
  { bundle, sizes }: BundleProgram,
  { kernel, counted }: Chosen,
  kind: DeviceKind,
  process: DeviceProcess,
  { rounds }: BenchOptions,
): Promise<BenchedKernel | undefined> {
  const { program } = bundle;
  const variant = variantOf(bundle, kind, kernel);
  if (variant === undefined) return undefined;
  const on = { process, device: kind };
  const { setting, runs } = await measureCase("benched", counted, variant, on, { rounds, isThorough: true });
  await process.free("benched");
  const [work] = launchWork(program, [counted.case.launch], sizes[0] ?? {});
  const seconds = median(runs) / setting.launches;
  const floor = timeFloor(work === undefined ? [] : [work], ratesOf(targetByName(program.target)));
  return {
    kernel: kernel.id,
    family: kernel.family,
    rows: counted.rows,
    launches: counted.count,
    seconds,
    spread: spreadOf(runs),
    ...ratesIn(work, seconds, floor),
  };
}

async function benchNetwork(
  { name, runs, bundle, sizes: [sizes = {}] }: BundleProgram,
  kernels: readonly BenchedKernel[],
  device: Device,
  options: BenchOptions,
): Promise<BenchedNetwork> {
  const { program } = bundle;
  const launches = launchesThatRun(program, "step");
  return {
    ...{ name, runs, sizes, kernels },
    ...(await wholeOf(bundle, sizes, device, options)),
    sum: kernels.reduce((sum, kernel) => sum + kernel.seconds * kernel.launches, 0),
    floor: timeFloor(launchWork(program, launches, sizes), ratesOf(targetByName(program.target))),
  };
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
function variantOf(
  { program, code }: BundleProgram["bundle"],
  device: DeviceKind,
  head: Kernel,
): Variant | undefined {
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
async function wholeOf(
  { program, manifest, code, weights }: BundleProgram["bundle"],
  sizes: Bindings,
  device: Device,
  { signal, rounds }: BenchOptions,
) {
  const { promptWeights } = manifest.memory;
  const timed = async (work: () => Promise<unknown>) => {
    signal?.throwIfAborted();
    const begun = performance.now();
    await work();
    return (performance.now() - begun) / 1000;
  };
  const begun = performance.now();
  const loaded = await device.load(program, code, weights, { promptWeights });
  const load = (performance.now() - begun) / 1000;
  try {
    await loaded.bind(sizes);
    writeInputs(program, loaded, sizes);
    const run = (runs: "prompt" | "step") => timed(() => loaded.run(phasesThatRun(program, runs), 0));
    const prompt = await run("prompt");
    const steps: number[] = [];
    for (let i = 0; i < rounds; i++) steps.push(await run("step"));
    return { load, prompt, step: median(steps), spread: spreadOf(steps) };
  } finally {
    await loaded.close();
  }
}

function writeInputs(program: Program, loaded: Pick<LoadedProgram, "write">, sizes: Bindings): void {
  const dtypes = new Map(program.buffers.map(({ id, dtype }) => [id, dtype]));
  for (const [name, { data }] of randomInputs(program, 0, sizes)) {
    const port = program.inputs.find((input) => input.name === name);
    if (port === undefined || !(data instanceof Float32Array)) continue;
    const isWhole = dtypes.get(port.buffer) !== "f32";
    loaded.write(port.buffer, isWhole ? Int32Array.from(data) : data);
  }
}
