/** The samplers' updates as kernels, against the same steps in plain TypeScript. */
import { describe, expect, it } from "vitest";
import { assembleWat } from "../../compiler/codegen/assemble-wat.js";
import { type LoweredProgram, lower } from "../../compiler/lower/index.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { latentGeometry } from "../../ir/models/flux1/latents.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { SAMPLERS, type SamplerName, UPDATE_RULES } from "../../ir/sampling/rules/index.js";
import type { Device, KernelCode } from "../../runtime/device.js";
import { sample } from "../../runtime/sampler.js";
import { makeSchedule } from "../../runtime/scheduler.js";
import type { Target } from "../../targets/index.js";
import { renderTemplate } from "../../templates/render.js";
import { emulatorModule } from "../support/cuda-emulator.js";
import { cudaDevices, type KernelDevices, wasmDevices, wgslDevices } from "../support/kernel-devices.js";
import { randomFloats } from "../support/random.js";

/** v(x, t) = t·x − c over four channels; where the model reads six, the last two stand behind the sample. */
const model = (channels: number) => `graph "model" {
  model ${JSON.stringify({ ...DESCRIPTION, inChannels: channels })}
  input %latents: f32[1, img_tokens, ${channels}]
  input %timestep: f32[1]
  %x: f32[1, img_tokens, 4] = part(%latents) {"axis": 2, "start": 0, "length": 4}
  %c: f32[1, img_tokens, 4] = part(%latents) {"axis": 2, "start": ${channels - 4}, "length": 4}
  %tx: f32[1, img_tokens, 4] = binary(%timestep, %x) {"fn": "mul"}
  %v: f32[1, img_tokens, 4] = binary(%tx, %c) {"fn": "sub"}
  output %v
}`;

const DESCRIPTION = {
  family: "flux1",
  doubleBlocks: 0,
  singleBlocks: 1,
  hidden: 8,
  heads: 2,
  headDim: 4,
  mlpWidth: 32,
  inChannels: 4,
  outChannels: 4,
  contextDim: 8,
  pooledDim: 8,
  guidance: false,
  timestepScale: 1,
  guidanceScale: 1,
  ropeAxes: [2, 2],
  ropeTheta: 1e4,
  roles: { latents: "latents", timestep: "timestep" },
  parameters: 0,
  blockLinearWeights: 0,
};

const f32 = Math.fround;
/** x + dt·v, each operation rounded. */
const moved = (x: number, dt: number, v: number) => f32(x + f32(dt * v));

type Velocity = (x: Float32Array, timestep: number) => Float32Array;
type Reference = (x: Float32Array, sigmas: Float32Array, velocity: Velocity) => Float32Array;

/** What each sampler does from step to step. */
const REFERENCES: Readonly<Record<SamplerName, Reference>> = {
  euler: (noise, sigmas, velocity) => {
    let x = noise;
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const v = velocity(x, sigmas[i]!);
      const dt = f32(sigmas[i + 1]! - sigmas[i]!);
      x = x.map((value, j) => moved(value, dt, v[j]!));
    }
    return x;
  },
  heun: (noise, sigmas, velocity) => {
    let x = noise;
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const v = velocity(x, sigmas[i]!);
      const dt = f32(sigmas[i + 1]! - sigmas[i]!);
      const start = x;
      x = start.map((value, j) => moved(value, dt, v[j]!));
      if (i + 2 === sigmas.length) break;
      const after = velocity(x, sigmas[i + 1]!);
      x = start.map((value, j) => moved(value, f32(dt / 2), f32(v[j]! + after[j]!)));
    }
    return x;
  },
};

function schedule(steps: number) {
  const config = {
    numTrainTimesteps: 1000,
    shift: 3,
    useDynamicShifting: false,
    baseShift: 0.5,
    maxShift: 1.15,
    baseImageSeqLen: 256,
    maxImageSeqLen: 4096,
  };
  return makeSchedule(config, { steps, imageTokens: 15 });
}

async function codeOf({ kernels }: LoweredProgram, target: Target): Promise<KernelCode> {
  const sources = new Map(
    kernels.map(({ kernel, definition }) => [
      kernel.id,
      renderTemplate(definition.template, definition.values),
    ]),
  );
  const binaries = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [id, source] of sources) {
    if (target.language === "wat") binaries.set(id, await assembleWat(source, id));
    if (target.language === "cuda") binaries.set(id, await emulatorModule(source));
  }
  return {
    source: (id) => sources.get(id) ?? "",
    binary: (id) => binaries.get(id) ?? new Uint8Array(),
  };
}

const NO_WEIGHTS = { bytes: () => Promise.reject(new Error("a model without weights")) };

function lowered(target: Target, channels: number): LoweredProgram {
  const sizes = { img_tokens: 64, txt_tokens: 8, steps: 8 };
  return lower(parseGraph(model(channels)), { target, sizes, batchAxes: new Map() });
}

async function sampled(
  device: Device,
  target: Target,
  { sampler, channels, steps }: { sampler: SamplerName; channels: number; steps: number },
) {
  const of = lowered(target, channels);
  verifyProgram(of.program);
  const loaded = await device.load(of.program, await codeOf(of, target), NO_WEIGHTS);
  const geometry = latentGeometry(48, 80, 1);
  const noise = randomFloats(5, 4 * geometry.imageTokens);
  const condition = randomFloats(6, (channels - 4) * geometry.imageTokens);
  const progress: string[] = [];
  const found = await sample(loaded, of.program, {
    geometry,
    schedule: schedule(steps),
    latents: noise,
    context: new Float32Array(),
    contextTokens: 8,
    pooled: new Float32Array(),
    guidance: 0,
    sampler,
    ...(channels > 4 ? { condition } : {}),
    onStep: ({ step, steps: all }) => progress.push(`${step}/${all}`),
  });
  await loaded.close();
  const velocity: Velocity = (x, timestep) =>
    x.map((value, i) => {
      const [row, column] = [Math.floor(i / 4), i % 4];
      const behind = condition[(channels - 4) * row + column - (8 - channels)];
      const c = channels === 4 || column < 8 - channels ? x[4 * row + column + channels - 4] : behind;
      return f32(f32(timestep * value) - (c ?? 0));
    });
  const wanted = REFERENCES[sampler](noise, schedule(steps).sigmas, velocity);
  return { found, wanted, progress };
}

function suite(name: string, { target, devices }: KernelDevices, exact: boolean): void {
  describe(name, () => {
    it.each(
      SAMPLERS.flatMap((sampler) =>
        [4, 6].flatMap((channels) => [1, 4].map((steps) => ({ sampler, channels, steps }))),
      ),
    )("$sampler, $channels channels, $steps steps", async (request) => {
      for (const device of Object.values(devices())) {
        const { found, wanted, progress } = await sampled(device, target, request);
        if (exact) expect(found).toEqual(wanted);
        else for (const [i, value] of wanted.entries()) expect(found[i]).toBeCloseTo(value, 5);
        expect(progress).toEqual(
          Array.from({ length: request.steps }, (_, i) => `${i + 1}/${request.steps}`),
        );
      }
    });
  });
}

const wasm = wasmDevices();
suite("cpu, to the bit", wasm, true);
suite("webgpu", wgslDevices(), false);
suite("cuda, emulated", cudaDevices("sm_86", ["forward"]), false);

/** Diffusers' FlowMatchHeunDiscreteScheduler, `set_timesteps` and `step`, line by line, in double precision. */
function diffusersHeun(noise: Float32Array, levels: Float32Array, velocity: Velocity): Float64Array {
  const twice = (values: readonly number[]) => values.flatMap((value) => [value, value]);
  const own = [...levels.subarray(0, -1)];
  const timesteps = [...own.slice(0, 1), ...twice(own.slice(1))];
  const all = [...levels];
  const sigmas = [...all.slice(0, 1), ...twice(all.slice(1, -1)), ...all.slice(-1)];
  let x = Float64Array.from(noise);
  let kept: { readonly derivative: Float64Array; readonly dt: number; readonly sample: Float64Array } | null =
    null;
  for (const [index, timestep] of timesteps.entries()) {
    const output = velocity(Float32Array.from(x), timestep);
    const first: number = kept === null ? index : index - 1;
    const sigma: number = sigmas[first]!;
    const next: number = sigmas[first + 1]!;
    const at = kept === null ? sigma : next;
    const derivative = x.map((value, i) => (value - (value - output[i]! * at)) / at);
    if (kept === null) {
      kept = { derivative, dt: next - sigma, sample: x };
      x = x.map((value, i) => value + derivative[i]! * (next - sigma));
    } else {
      const { dt, sample: from, derivative: before } = kept;
      x = from.map((value, i) => value + 0.5 * (before[i]! + derivative[i]!) * dt);
      kept = null;
    }
  }
  return x;
}

it("Heun's method is that of Diffusers", () => {
  const noise = randomFloats(5, 60);
  const velocity: Velocity = (x, timestep) => x.map((value, i) => timestep * value - Math.sin(i + value));
  for (const steps of [1, 2, 5]) {
    const { sigmas } = schedule(steps);
    const wanted = diffusersHeun(noise, sigmas, velocity);
    const found = REFERENCES.heun(noise, sigmas, velocity);
    for (const [i, value] of wanted.entries()) expect(found[i]).toBeCloseTo(value, 5);
    expect(UPDATE_RULES.heun.evaluations(sigmas)).toHaveLength(2 * steps - 1);
  }
});

it("refuses a sampler that a bundle does not have", async () => {
  const { one } = wasm.devices();
  const whole = lowered(wasm.target, 4);
  const phases = whole.program.phases.filter(({ name }) => name !== "heun-correct");
  const program = { ...whole.program, phases };
  verifyProgram(program);
  const loaded = await one!.load(program, await codeOf(whole, wasm.target), NO_WEIGHTS);
  const geometry = latentGeometry(48, 80, 1);
  const request = {
    geometry,
    schedule: schedule(2),
    latents: randomFloats(5, 4 * geometry.imageTokens),
    context: new Float32Array(),
    contextTokens: 8,
    pooled: new Float32Array(),
    guidance: 0,
  };
  await expect(sample(loaded, program, { ...request, sampler: "heun" })).rejects.toMatchObject({
    code: "TRITC_E_SAMPLER",
    details: { expected: "euler", found: "heun" },
  });
  await loaded.close();
});

it("has graphs that are well-formed, and whose phases have names of their own", () => {
  const updates = Object.values(UPDATE_RULES).flatMap((rule) => rule.updates);
  expect(new Set(updates.map(({ name }) => name)).size).toBe(updates.length);
  for (const { name, graph, writes } of updates) {
    const parsed = parseGraph(graph, name);
    verifyGraph(parsed);
    expect(parsed.outputs).toHaveLength(writes.length);
  }
});
