import { evaluateDim } from "../../ir/dim.js";
import { latentGeometry } from "../../ir/models/flux1/latents.js";
import type { Program } from "../../ir/program/program.js";
import type { SchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import type { KernelCode } from "../../runtime/device.js";
import type { CudaDevice } from "../../runtime/node/cuda/device.js";
import { initialLatents, makeNoise } from "../../runtime/noise.js";
import { sample } from "../../runtime/sampler.js";
import { makeSchedule } from "../../runtime/scheduler.js";
import { type PlannedTensor, randomWeights } from "./random-weights.js";

export interface ModelResult {
  readonly name: string;
  readonly resolution: string;
  readonly steps: number;
  /** Median time of a step, from its start to the end of its last kernel. */
  readonly stepMilliseconds: number;
  /** All steps of one picture, with the phase before them. */
  readonly seconds: number;
  readonly deviceBytes: number;
  /** Device time of one step by kernel family, launch by launch. */
  readonly families: Readonly<Record<string, number>>;
  readonly loadSeconds: number;
}

export interface ModelProgram {
  readonly name: string;
  readonly program: Program;
  readonly code: KernelCode;
  readonly tensors: readonly PlannedTensor[];
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly textTokens: number;
  readonly steps: number;
}

/** FLUX.1-dev's scheduler. */
const SCHEDULER: SchedulerConfig = {
  numTrainTimesteps: 1000,
  shift: 3,
  useDynamicShifting: true,
  baseShift: 0.5,
  maxShift: 1.15,
  baseImageSeqLen: 256,
  maxImageSeqLen: 4096,
};

/** Samples one picture from random weights and noise; throws where a value is not finite. */
export async function measureModel(
  device: CudaDevice,
  { name, program, code, tensors }: ModelProgram,
  picture: Picture,
): Promise<ModelResult> {
  const started = performance.now();
  const loaded = await device.load(program, code, randomWeights(tensors));
  const loadSeconds = (performance.now() - started) / 1000;
  try {
    const { width, height, textTokens, steps } = picture;
    const geometry = latentGeometry(height, width);
    const schedule = makeSchedule(SCHEDULER, { steps, imageTokens: geometry.imageTokens });
    const sizes = { img_tokens: geometry.imageTokens, txt_tokens: textTokens, steps };
    const widthOf = (role: string): number => {
      const port = program.inputs.find((input) => input.role === role);
      return evaluateDim(port?.shape.at(-1) ?? 0, sizes);
    };
    const request = {
      geometry,
      schedule,
      latents: initialLatents(0, geometry),
      context: makeNoise(1, textTokens * widthOf("context")),
      contextTokens: textTokens,
      pooled: makeNoise(2, widthOf("pooled")),
      guidance: 3.5,
    };
    const times: number[] = [];
    // The first picture loads kernels and captures the graph of a step.
    let latents = await sample(loaded, program, request);
    const from = performance.now();
    let before = from;
    latents = await sample(loaded, program, {
      ...request,
      onStep: () => {
        const now = performance.now();
        times.push(now - before);
        before = now;
      },
    });
    const seconds = (performance.now() - from) / 1000;
    if (!latents.every(Number.isFinite)) throw new RangeError(`${name}: latents that are not finite`);
    const families: Record<string, number> = {};
    const kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel.family]));
    for (const { kernel, milliseconds } of await loaded.profile(["step", "euler"], 0)) {
      const family = kernels.get(kernel) ?? kernel;
      families[family] = (families[family] ?? 0) + milliseconds;
    }
    // The first step of a picture waits for the prompt's phase.
    const stepMilliseconds = times.slice(1).sort((a, b) => a - b)[(times.length - 1) >> 1] ?? Number.NaN;
    const deviceBytes = loaded.memoryBytes();
    const resolution = `${width}x${height}`;
    return { name, resolution, steps, stepMilliseconds, seconds, deviceBytes, families, loadSeconds };
  } finally {
    await loaded.close();
  }
}
