import type { ByteReader } from "../../ir/constant/constant.js";
import type { Bindings } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { Program } from "../../ir/program/program.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import { planRun } from "../../targets/cuda/memory.js";
import { cudaPortable, type Target } from "../../targets/index.js";
import { memoryLimit } from "../../targets/memory/index.js";
import { planGraph } from "../compile-graph.js";
import { type Drawing, largestSizes } from "../drawing.js";
import { type BothPasses, bothPasses } from "./both-passes.js";
import { type Fit, fitOf } from "./fit.js";
import { type Bf16Memory, planSizes, type SizePlan } from "./size-plan.js";

export interface AccountOptions {
  readonly target: Target;
  readonly drawing: Drawing | null;
  /** Memory of the card in bytes; the target's if absent. */
  readonly memoryLimit?: number | undefined;
  /** Whether weights that only `prompt` reads stay on the device; kept if that fits, if absent. */
  readonly promptWeights?: PromptWeightsPolicy | undefined;
}

/** What a program takes on its target, and whether the target has it. */
export interface Account {
  readonly plans: readonly SizePlan[];
  /** Bytes that the program may take; null for any number. */
  readonly limitBytes: number | null;
  readonly fit: Fit;
  /** Null for a model that is guided by one pass. */
  readonly bothPasses: BothPasses | null;
}

/** The account of a program that was lowered from a recognized graph. No weights are read. */
export function accountFor(
  recognized: Graph,
  reader: ByteReader,
  program: Program,
  { target, drawing, memoryLimit: cardBytes, promptWeights }: AccountOptions,
): Account {
  const limitBytes = memoryLimit(target, cardBytes);
  const bf16 = bf16Memory(recognized, reader, largestSizes(drawing));
  const plans = planSizes(program, target, drawing, bf16);
  const planned = { plans, drawing };
  const fit = fitOf(program, target, planned, limitBytes, promptWeights);
  const both = bothPasses(program, target, planned, limitBytes, fit.promptWeights ?? "stream");
  return { plans, limitBytes, fit, bothPasses: both };
}

/**
 * What the same model takes in bf16: two bytes a parameter, and the activations of this compiler's own CUDA program
 * without ternary weights, for one step at a time as other engines compute it. Null for graphs that are no FLUX
 * transformer and those that the CUDA kernels do not take.
 */
function bf16Memory(
  recognized: Graph,
  reader: ByteReader,
  largest: Bindings,
): (sizes: Bindings) => Bf16Memory | null {
  const { model } = recognized;
  if (model === undefined) return () => null;
  try {
    const { lowered } = planGraph(
      recognized,
      reader,
      {
        target: cudaPortable,
        options: { ternarize: "none", activations: "bf16" },
        sizes: largest,
        batchAxes: new Map(),
      },
      {},
    );
    return (sizes) => ({
      weights: 2 * model.parameters,
      activations: planRun(lowered.program, { ...sizes, steps: 1 }).bytes,
    });
  } catch (error) {
    if (!(error instanceof TritcError)) throw error;
    return () => null;
  }
}
