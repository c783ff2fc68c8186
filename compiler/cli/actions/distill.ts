import type { DistillBlocksOptions } from "../../train/blocks/distill-blocks.js";
import type { DistillReport } from "../../train/distill.js";
import { formatBytes, formatCount, formatDuration, formatQuantity } from "../../units.js";
import { checkEmitOptions } from "../check-emit-options.js";
import type { EmitOptions } from "../emit-options.js";
import type { HubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { modelPath, modelWithPipeline } from "../model-path.js";
import type { CommonOptions } from "../options.js";
import { checkFolderPath } from "../output.js";
import { Terminal, table } from "../terminal.js";
import { usageError } from "../usage-error.js";
import { mergeSegments, trainBlocks } from "./distill-blocks.js";

/** What the command takes: that of the library's stages, and segments as paths. */
export interface DistillCommandOptions
  extends CommonOptions,
    HubOptions,
    EmitOptions,
    Omit<DistillBlocksOptions, "input" | "calibration" | "stage" | "onNotice" | "onProgress" | "signal"> {
  readonly calibration?: string;
  readonly stage: (typeof STAGES)[number];
  readonly merge?: readonly string[];
}

export const STAGES = ["end-to-end", "blocks", "scales"] as const;

export async function runDistill(model: string, given: DistillCommandOptions): Promise<void> {
  checkEmitOptions(model, given);
  if (given.emit === undefined) checkStage(given);
  checkFolderPath(given.out);
  const { calibration = "", stage, merge, ...all } = given;
  const { revision: _revision, token: _token, offline: _offline, ...others } = all;
  // Pods see other files than this machine.
  const { input, ...found } = given.emit === "kubernetes" ? { input: model } : await pathsOf(model, given);
  const options = { ...others, ...found, calibration };
  if (options.emit !== undefined)
    return (await loaded(import("./emit.js"), options)).emitJobs(input, { ...options, stage });
  if (merge !== undefined) return mergeSegments(input, merge, options);
  if (stage === "blocks") return trainBlocks(input, options);
  const terminal = new Terminal(options);
  const signal = options.io.interruptSignal();
  const { distill } = await loaded(import("../../train/distill.js"), options);
  const progress = terminal.progress("training", "steps");
  const report = await distill({
    ...options,
    input,
    stage,
    signal,
    onNotice: (text) => terminal.note(text),
    onProgress: ({ step, steps, loss }) => progress.update(step, steps, { loss }),
  }).finally(() => progress.stop());
  terminal.summary(report, table(rowsOf(report, stage)));
}

/** Where the models are: the one to learn from, its pipeline, and the one to start from. */
async function pathsOf(model: string, given: DistillCommandOptions) {
  const found = await modelWithPipeline(model, given.pipeline, given);
  const { start } = given;
  if (start === undefined || start === "exact" || start === "calibrated") return found;
  return { ...found, start: await modelPath(start, "transformer", { ...given, revision: undefined }) };
}

/** Refuses what does not go together: TRITC_E_USAGE. */
function checkStage({ calibration, stage, merge, shard, states }: DistillCommandOptions): void {
  const given = { "--merge": merge, "--shard": shard, "--states": states };
  const foreign = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (stage !== "blocks" && foreign !== undefined) {
    throw usageError({
      message: `only blocks are trained with ${foreign}`,
      place: foreign,
      expected: "--stage blocks",
      found: `--stage ${stage}`,
      remedy: "leave it out, or give --stage blocks",
    });
  }
  if ((calibration === undefined) === (merge !== undefined)) return;
  throw usageError({
    message:
      merge === undefined
        ? "there is nothing to learn from"
        : "segments are put together, so nothing is trained",
    place: "--calibration",
    expected: merge === undefined ? "--calibration <folder>" : "--merge alone",
    found: merge === undefined ? "none" : "--calibration",
    remedy:
      merge === undefined
        ? "give a folder that `tritc calibrate` made with the model"
        : "leave --calibration out",
  });
}

function rowsOf(
  report: DistillReport,
  stage: DistillCommandOptions["stage"],
): readonly (readonly [string, string])[] {
  const { losses, steps, batch } = report;
  const [trained, ternary] = [report.parameters, report.ternaryWeights].map(formatCount);
  return [
    ...report.files.map(({ path, bytes }) => ["file", `${path}, ${formatBytes(bytes)}`] as const),
    [
      "trained",
      stage === "scales"
        ? `${trained}; the codes of ${ternary} weights stay`
        : `${trained}, ${ternary} of them ternary`,
    ],
    ["steps", `${formatQuantity(steps, "step")} of ${batch} of ${formatQuantity(report.samples, "sample")}`],
    [
      "loss",
      `${mean(losses.slice(0, 20)).toPrecision(3)} at first, ${mean(losses.slice(-20)).toPrecision(3)} at last`,
    ],
    ["time", formatDuration(report.seconds)],
  ];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
