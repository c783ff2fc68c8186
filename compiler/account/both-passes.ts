import type { Bindings } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import { guidesByTwoPasses } from "../../ir/models/index.js";
import type { Program } from "../../ir/program/program.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import { forTwoTexts, OTHER_TXT_TOKENS } from "../../ir/program/two-texts.js";
import { bufferBytes } from "../../targets/memory/buffers.js";
import { programMemory } from "../../targets/memory/index.js";
import type { Target } from "../../targets/target.js";
import type { Drawing } from "../drawing.js";
import type { SizePlan } from "./size-plan.js";

/** Both passes of guidance as one program. */
export interface BothPasses {
  /** The most that it takes at any planned size; null where it exceeds the target's limits. */
  readonly bytes: number | null;
  /** Whether the target has room for it; the passes follow one another otherwise. */
  readonly atOnce: boolean;
}

/** Null for a model that is guided by one pass. */
export function bothPasses(
  program: Program,
  target: Target,
  { plans, drawing }: { readonly plans: readonly SizePlan[]; readonly drawing: Drawing | null },
  limitBytes: number | null,
  promptWeights: PromptWeightsPolicy,
): BothPasses | null {
  const form = forTwoTexts(program);
  const { model } = program;
  if (form === undefined || model === null || drawing === null) return null;
  if (!guidesByTwoPasses(model, drawing.sampling.guidance)) return null;
  let bytes = 0;
  for (const { sizes } of plans) {
    const taken = peakOf(
      form,
      { ...sizes, [OTHER_TXT_TOKENS]: sizes.txt_tokens ?? 0 },
      target,
      promptWeights,
    );
    if (taken === null) return { bytes: null, atOnce: false };
    bytes = Math.max(bytes, taken);
  }
  return { bytes, atOnce: limitBytes === null || bytes <= limitBytes };
}

/** Null where a buffer, or what a launch reads at once, exceeds the target's limits. */
function peakOf(form: Program, sizes: Bindings, target: Target, policy: PromptWeightsPolicy): number | null {
  const { maxBufferBytes } = target.limits;
  if (form.buffers.some((buffer) => bufferBytes(buffer, sizes) > maxBufferBytes)) return null;
  try {
    return programMemory(form, sizes, target, policy).peak;
  } catch (error) {
    if (error instanceof TritcError && error.code === "TRITC_E_WEBGPU_LIMIT") return null;
    throw error;
  }
}
