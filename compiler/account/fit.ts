import { TritcError } from "../../ir/errors.js";
import type { Program } from "../../ir/program/program.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import { programMemory } from "../../targets/memory/index.js";
import type { Target } from "../../targets/target.js";
import type { Drawing } from "../drawing.js";
import { printResolution, type Resolution, squareOf } from "../resolutions.js";
import { formatBytes } from "../units.js";
import type { SizePlan } from "./size-plan.js";

const POLICIES = ["keep", "stream"] as const;

/** What has to give for a program to fit into a device's memory. */
export interface Fit {
  /** How prompt weights are treated: kept where that fits, else streamed; null where nothing fits. */
  readonly promptWeights: PromptWeightsPolicy | null;
  /** The resolutions of the plan that fit with the policy that takes least. */
  readonly fitting: readonly Resolution[];
  /** Where not all fit, the largest square picture that would; null for none, and for graphs that draw no pictures. */
  readonly largestSquare: Resolution | null;
}

/** The sizes of a drawing, and what they take. */
interface Planned {
  readonly plans: readonly SizePlan[];
  readonly drawing: Drawing | null;
}

/** @param limit bytes of the device, null for any number */
export function fitOf(
  program: Program,
  target: Target,
  planned: Planned,
  limit: number | null,
  wanted: PromptWeightsPolicy | undefined,
): Fit {
  const { plans } = planned;
  const allowed = wanted === undefined ? POLICIES : [wanted];
  const fits = (plan: SizePlan, policy: PromptWeightsPolicy) =>
    limit === null || plan.memory[policy].peak <= limit;
  const promptWeights = allowed.find((policy) => plans.every((plan) => fits(plan, policy))) ?? null;
  const least = promptWeights ?? allowed.at(-1) ?? "stream";
  return {
    promptWeights,
    fitting: plans.filter((plan) => fits(plan, least)).flatMap(({ resolution }) => resolution ?? []),
    largestSquare: promptWeights === null ? largestSquare(program, target, planned, limit, least) : null,
  };
}

/** Bisects over the side: memory grows with the number of image tokens. Sides end at the plan's largest picture. */
function largestSquare(
  program: Program,
  target: Target,
  { plans, drawing }: Planned,
  limit: number | null,
  policy: PromptWeightsPolicy,
): Resolution | null {
  const tokens = Math.max(0, ...plans.map(({ sizes }) => sizes.img_tokens ?? 0));
  if (drawing === null || limit === null || !program.symbols.includes("img_tokens")) return null;
  const sizes = plans[0]?.sizes ?? {};
  const fits = (side: number) =>
    programMemory(program, { ...sizes, img_tokens: side * side }, target, policy).peak <= limit;
  let [low, high] = [0, Math.floor(Math.sqrt(tokens))];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? null : squareOf(low, drawing.sampling.pixelsPerToken);
}

/** The policy of a fit, or TRITC_E_DEVICE_MEMORY with what does fit. */
export function checkFit(
  fit: Fit,
  target: Target,
  plans: readonly SizePlan[],
  limit: number | null,
): PromptWeightsPolicy {
  if (fit.promptWeights !== null) return fit.promptWeights;
  const peakOf = ({ memory }: SizePlan) => Math.min(memory.keep.peak, memory.stream.peak);
  const [worst] = [...plans].sort((a, b) => peakOf(b) - peakOf(a));
  const at = worst?.resolution == null ? "" : ` at ${printResolution(worst.resolution)}`;
  const remedies: string[] = [];
  if (fit.fitting.length > 0)
    remedies.push(`compile for ${fit.fitting.map(printResolution).join(", ")} alone`);
  if (fit.largestSquare !== null) {
    remedies.push(`compile for --resolution ${printResolution(fit.largestSquare)} or smaller`);
  }
  if (remedies.length === 0)
    remedies.push("compile with --ternarize exact --activations int8, which takes least");
  remedies.push("plan for a device with more memory (--memory-limit)");
  throw new TritcError({
    code: "TRITC_E_DEVICE_MEMORY",
    message: `the program takes more memory than the target ${target.name} has${at}`,
    expected: `at most ${formatBytes(limit ?? 0)}`,
    found: worst === undefined ? "nothing planned" : describe(worst),
    remedy: remedies.join("; or "),
  });
}

function describe({ memory: { keep, stream } }: SizePlan): string {
  return `${formatBytes(keep.peak)}, or ${formatBytes(stream.peak)} with --prompt-weights stream`;
}
