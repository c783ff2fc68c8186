import { phasesThatRun } from "../ir/program/phases.js";
import type { Program } from "../ir/program/program.js";
import { UPDATE_RULES } from "../ir/sampling/rules/index.js";
import type { LoadedProgram } from "./device.js";
import { velocitiesOf } from "./guided.js";
import { giveInputs, type SampleRequest } from "./sample-inputs.js";
import { requireSampler } from "./sampler.js";

/** What a picture is asked for: the loop over its steps is the caller's. */
export type VelocityRequest = Omit<SampleRequest, "sampler" | "onStep" | "signal">;

/**
 * Begins a picture, and gives what its model predicts for latents at a step of the schedule. The program is the caller's alone as
 * long as it asks. Throws TRITC_E_NOT_A_SAMPLER, TRITC_E_INPUT_SHAPE and TRITC_E_NOT_FINITE.
 */
export async function beginVelocities(
  loaded: LoadedProgram,
  program: Program,
  request: VelocityRequest,
): Promise<(step: number, latents: Float32Array) => Promise<Float32Array>> {
  requireSampler(program);
  const evaluations = UPDATE_RULES.euler.evaluations(request.schedule.sigmas);
  if (request.twoPasses !== undefined) return velocitiesOf({ loaded, program, request, evaluations });
  const give = await giveInputs(loaded, program, request, evaluations);
  await loaded.run(phasesThatRun(program, "prompt"), 0);
  const model = phasesThatRun(program, "step");
  const [velocity] = program.outputs;
  return async (step, latents) => {
    give(latents);
    await loaded.run(model, step);
    return Float32Array.from(await loaded.read(velocity?.buffer ?? ""));
  };
}
