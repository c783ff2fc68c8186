import { phasesThatRun, samplersOf } from "../../ir/program/phases.js";
import type { Program } from "../../ir/program/program.js";
import { UPDATE_RULES } from "../../ir/sampling/rules/index.js";
import { coefficientPort } from "../../ir/sampling/update-rule.js";
import type { Tensor } from "../../ir/tensor.js";
import { applyUpdate } from "../../runtime/apply-update.js";
import type { LoadedProgram } from "../../runtime/device.js";
import { relativeError } from "./relative-error.js";

/** Noise levels of two steps, not equally long: all updates of all samplers are among their evaluations. */
const SIGMAS = Float32Array.of(1, 0.7, 0);

/**
 * How far the samples of each sampler's updates are from what the interpreter makes of the same velocities: the largest relative L2
 * of them all, null for a program that nobody samples. `inputs` are what the program was evaluated with last.
 */
export async function tryUpdates(
  loaded: LoadedProgram,
  program: Program,
  inputs: ReadonlyMap<string, Tensor>,
): Promise<number | null> {
  const latents = program.inputs.find(({ role }) => role === "latents");
  const [velocity] = program.outputs;
  const noise = inputs.get(latents?.name ?? "");
  if (latents === undefined || velocity === undefined || noise === undefined) return null;
  const [rows = 1, stride = 1] = noise.shape.slice(-2);
  const channels = Number(velocity.shape.at(-1));
  /** Of the channels that the model reads, those that it predicts. */
  const sampleOf = (read: ArrayLike<number>) =>
    Float32Array.from({ length: rows * channels }, (_, i) =>
      Number(read[Math.floor(i / channels) * stride + (i % channels)]),
    );
  const named = (data: Float32Array) =>
    new Map<string, Tensor>([["sample", { dtype: "f32", shape: [rows, channels], data }]]);
  const model = phasesThatRun(program, "prompt", "step");
  const coefficients = program.inputs.filter(({ role }) => role === "coefficient");
  let largest: number | null = null;
  for (const sampler of samplersOf(program)) {
    const given = Float32Array.from(noise.data.subarray(0, rows * stride), Number);
    const kept = new Map([["sample", sampleOf(given)]]);
    loaded.write(latents.buffer, given);
    for (const { update, coefficients: own } of UPDATE_RULES[sampler].evaluations(SIGMAS)) {
      const values = new Map(Object.entries(own).map(([name, value]) => [coefficientPort(name), value]));
      for (const { name, buffer } of coefficients)
        loaded.write(buffer, Float32Array.of(values.get(name) ?? Number.NaN));
      await loaded.run([...model, update], 0);
      const predicted = Float32Array.from(await loaded.read(velocity.buffer)).subarray(0, rows * channels);
      applyUpdate(update, kept, predicted, own, [rows, channels]);
      const found = sampleOf(await loaded.read(latents.buffer));
      const difference = relativeError(named(found), named(kept.get("sample") ?? predicted));
      largest = Math.max(largest ?? 0, difference);
    }
  }
  return largest;
}
