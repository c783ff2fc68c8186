import type { ManifestMemory, ManifestPlan, ManifestWork } from "../../ir/format/manifest.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import type { BothPasses } from "../account/both-passes.js";
import type { Fit } from "../account/fit.js";
import { printResolution } from "../resolutions.js";
import { formatBytes, formatDuration, formatFactor, formatOperations } from "../units.js";
import { table } from "./terminal.js";

/** Memory and work of each planned size as tables for people. `floors` are seconds of a step, in order. */
export function describePlans(account: ManifestMemory, floors: readonly (number | null)[]): string {
  const { plans, limitBytes } = account;
  if (plans.length === 0) return "";
  const memory = plans.flatMap((plan) =>
    (["keep", "stream"] as const).map((policy) => memoryRow(plan, policy, limitBytes)),
  );
  const work = plans.map((plan, i) => [
    sizeName(plan),
    ...workCells(plan.step),
    floorOf(floors[i] ?? null),
    ...workCells(plan.prompt),
  ]);
  return [
    table([
      ["device memory", "prompt weights", "load", "prompt", "step", "peak", "bf16 model", ""],
      ...memory,
    ]),
    table([
      ["work", "step: int8", "bf16", "f32", "moved", "at least", "prompt: int8", "bf16", "f32", "moved"],
      ...work,
    ]),
  ].join("\n\n");
}

/** What has to give for everything to fit. */
export function describeFit(
  { promptWeights, fitting, largestSquare }: Fit,
  limitBytes: number | null,
): string {
  if (limitBytes === null)
    return "The target is no one device: --memory-limit says how much memory there is.";
  const memory = formatBytes(limitBytes);
  if (promptWeights === "keep") return `Fits into ${memory}: all weights stay on the device.`;
  if (promptWeights === "stream") {
    return `Fits into ${memory} if weights that only a prompt reads are streamed (--prompt-weights stream).`;
  }
  const sizes = fitting.map(printResolution).join(", ");
  const square = largestSquare === null ? "no picture" : `${printResolution(largestSquare)} or smaller`;
  return `Does not fit into ${memory}. Of these sizes ${sizes === "" ? "none" : sizes} would; of square pictures ${square}.`;
}

/** How both passes of guidance run. */
export function describePasses({ bytes, atOnce }: BothPasses, limitBytes: number | null): string {
  if (bytes === null)
    return "one after the other, but on a device whose limits are higher than the target's: at once they exceed those";
  const most = `${formatBytes(bytes)}${limitBytes === null ? "" : ` of ${formatBytes(limitBytes)}`}`;
  return atOnce ? `at once, with ${most} at most` : `one after the other: at once they take ${most}`;
}

export function sizeName({ width, height }: ManifestPlan): string {
  return width === null || height === null ? "-" : `${width}x${height}`;
}

export function peakOf(plan: ManifestPlan, policy: PromptWeightsPolicy): number {
  const { load, prompt, step } = plan[policy];
  return Math.max(load, prompt, step);
}

function memoryRow(
  plan: ManifestPlan,
  policy: PromptWeightsPolicy,
  limitBytes: number | null,
): readonly string[] {
  const { load, prompt, step } = plan[policy];
  const peak = peakOf(plan, policy);
  const { bf16 } = plan;
  const model = bf16 === null ? null : bf16.weights + bf16.activations;
  return [
    sizeName(plan),
    policy === "keep" ? "kept" : "streamed",
    ...[load, prompt, step, peak].map(formatBytes),
    model === null ? "-" : `${formatBytes(model)}, ${formatFactor(model, peak)}`,
    limitBytes === null ? "" : peak <= limitBytes ? "fits" : `more than ${formatBytes(limitBytes)}`,
  ];
}

function workCells({ int8, bf16, f32, readBytes, writtenBytes }: ManifestWork): readonly string[] {
  return [...[int8, bf16, f32].map(formatOperations), formatBytes(readBytes + writtenBytes)];
}

function floorOf(seconds: number | null): string {
  return seconds === null ? "-" : formatDuration(seconds);
}
