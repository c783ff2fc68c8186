import type { Bindings } from "../../ir/dim.js";
import type { ManifestMemory, ManifestPlan } from "../../ir/format/manifest.js";
import { launchesThatRun, stepLaunches } from "../../ir/program/phases.js";
import type { Program } from "../../ir/program/program.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import { launchWork, timeFloor, totalWork, type Work } from "../../ir/program/work.js";
import { type DeviceMemory, programMemory } from "../../targets/memory/index.js";
import { ratesOf } from "../../targets/rates.js";
import type { Target } from "../../targets/target.js";
import { type Drawing, sizesOf } from "../drawing.js";
import type { Resolution } from "../resolutions.js";
import { referenceBytes } from "./reference-bytes.js";

/** What a program takes and does at one size. */
export interface SizePlan {
  /** Null for a graph that draws no pictures. */
  readonly resolution: Resolution | null;
  readonly sizes: Bindings;
  readonly memory: Readonly<Record<PromptWeightsPolicy, DeviceMemory>>;
  /** What the model takes in bf16; null where that is not known. */
  readonly bf16: Bf16Memory | null;
  /** Once per prompt, for all steps. */
  readonly prompt: Work;
  /** One denoising step. */
  readonly step: Work;
  /** Bytes of references' keys and values, which are kept over the steps; 0 where they are computed in each. */
  readonly references: number;
  /** Seconds of a step at the target's peak rates; null where they are not known. */
  readonly stepFloor: number | null;
}

/** The model without ternary weights, at two bytes a parameter, and its activations in bf16 at the same size. */
export interface Bf16Memory {
  readonly weights: number;
  readonly activations: number;
}

/** A program at each resolution; at its only size if it draws no pictures and has one. */
export function planSizes(
  program: Program,
  target: Target,
  drawing: Drawing | null,
  bf16: (sizes: Bindings) => Bf16Memory | null,
): readonly SizePlan[] {
  if (drawing === null) {
    return program.symbols.length > 0 ? [] : [planSize(program, target, null, {}, null)];
  }
  return drawing.resolutions.map((resolution) => {
    const sizes = sizesOf(drawing, resolution);
    return planSize(program, target, resolution, sizes, bf16(sizes));
  });
}

export function planSize(
  program: Program,
  target: Target,
  resolution: Resolution | null,
  sizes: Bindings,
  bf16: Bf16Memory | null,
): SizePlan {
  const works = launchWork(program, stepLaunches(program), sizes);
  return {
    resolution,
    sizes,
    memory: {
      keep: programMemory(program, sizes, target, "keep"),
      stream: programMemory(program, sizes, target, "stream"),
    },
    bf16,
    prompt: totalWork(launchWork(program, launchesThatRun(program, "prompt"), sizes)),
    step: totalWork(works),
    references: referenceBytes(program, sizes),
    stepFloor: timeFloor(works, ratesOf(target)),
  };
}

/** The plans as the manifest holds them. */
export function manifestMemory(
  plans: readonly SizePlan[],
  limitBytes: number | null,
  promptWeights: PromptWeightsPolicy,
): ManifestMemory {
  return { promptWeights, limitBytes, plans: plans.map(manifestPlan) };
}

function manifestPlan({ resolution, sizes, memory, bf16, prompt, step }: SizePlan): ManifestPlan {
  const phases = ({ load, prompt: once, step: each }: DeviceMemory) => ({
    load: load.bytes,
    prompt: once.bytes,
    step: each.bytes,
  });
  const work = ({ operations, readBytes, writtenBytes }: Work) => ({
    ...operations,
    readBytes,
    writtenBytes,
  });
  return {
    width: resolution?.width ?? null,
    height: resolution?.height ?? null,
    textTokens: sizes.txt_tokens ?? null,
    steps: sizes.steps ?? null,
    keep: phases(memory.keep),
    stream: phases(memory.stream),
    bf16,
    prompt: work(prompt),
    step: work(step),
  };
}
