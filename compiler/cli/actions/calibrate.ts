import type { CalibrateOptions, CalibrationReport } from "../../calibrate/calibrate.js";
import { printResolution } from "../../resolutions.js";
import { formatDuration, formatQuantity } from "../../units.js";
import type { HubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { modelWithPipeline } from "../model-path.js";
import type { CommonOptions } from "../options.js";
import { checkFolderPath } from "../output.js";
import { readPrompts } from "../prompts.js";
import { Terminal } from "../terminal.js";
import { usageError } from "../usage-error.js";

/** What the command takes: that of the library, prompts and shards as paths. */
export interface CalibrateCommandOptions
  extends CommonOptions,
    HubOptions,
    Omit<CalibrateOptions, "input" | "prompts" | "onProgress" | "signal"> {
  readonly prompts?: readonly string[];
  readonly merge?: readonly string[];
}

export async function runCalibrate(
  given: string | undefined,
  options: CalibrateCommandOptions,
): Promise<void> {
  checkFolderPath(options.out);
  if (options.merge !== undefined) return merge(options.merge, given, options);
  if (given === undefined) {
    throw usageError({
      message: "missing required argument 'model'",
      place: "tritc calibrate",
      expected: "a model to draw with, or --merge",
      remedy: "give the path of a model, as `tritc compile` takes it",
    });
  }
  if (options.prompts === undefined) {
    throw usageError({
      message: "there is nothing to draw",
      place: "tritc calibrate",
      expected: "--prompts <file>",
      remedy: "give a file of prompts, such as one a line",
    });
  }
  const terminal = new Terminal(options);
  const signal = options.io.interruptSignal();
  const prompts: string[] = [];
  for (const path of options.prompts) prompts.push(...(await readPrompts(path, options)));
  const { revision: _revision, token: _token, offline: _offline, ...drawn } = options;
  const found = await modelWithPipeline(given, options.pipeline, options);
  const { calibrate } = await loaded(import("../../calibrate/calibrate.js"), options);
  const phases = {
    weights: terminal.progress("preparing", "tensors"),
    samples: terminal.progress("sampling", "samples"),
  };
  const { steps, guidance, varyGuidance, negativePrompt, ...others } = drawn;
  const report = await calibrate({
    ...others,
    ...found,
    prompts,
    steps,
    guidance,
    varyGuidance,
    negativePrompt,
    signal,
    onProgress({ phase, done, total }) {
      if (phase === "samples") phases.weights.stop();
      phases[phase].update(done, total);
    },
  }).finally(() => {
    for (const phase of Object.values(phases)) phase.stop();
  });
  if (report.guidance === null && (guidance !== undefined || varyGuidance === true)) {
    terminal.note("this model takes no guidance: --guidance and --vary-guidance change nothing");
  }
  if (report.negativePrompt === undefined && negativePrompt !== undefined) {
    terminal.note("this model is not guided by two passes: --negative-prompt changes nothing");
  }
  terminal.summary(report, `${options.out}: ${summaryOf(report)}`);
}

function summaryOf(report: CalibrationReport): string {
  const { samples, kept, seconds, steps } = report;
  const were = `${formatQuantity(kept, "sample")} ${kept === 1 ? "was" : "were"} there`;
  if (samples === kept) return were;
  const drawn = `${formatQuantity(samples - kept, "sample")} of ${printResolution(report)}, ${formatQuantity(steps, "step")}`;
  const rate = `${((samples - kept) / seconds).toPrecision(3)} a second`;
  return `${drawn} in ${formatDuration(seconds)}, ${rate}${kept === 0 ? "" : `; ${were}`}`;
}

async function merge(
  folders: readonly string[],
  input: string | undefined,
  options: CalibrateCommandOptions,
): Promise<void> {
  if (input !== undefined || options.prompts !== undefined) {
    throw usageError({
      message: "shards are put together, so nothing is drawn",
      place: "--merge",
      expected: "neither a model nor --prompts",
      found: input ?? "--prompts",
      remedy: "leave it out, and give the folders of the shards alone",
    });
  }
  const terminal = new Terminal(options);
  const { mergeCalibrations } = await loaded(import("../../calibrate/merge.js"), options);
  const report = await mergeCalibrations(folders, options.out, options.io.interruptSignal());
  const { samples, shards } = report;
  terminal.summary(
    report,
    `${options.out}: ${formatQuantity(samples, "sample")} of ${formatQuantity(shards, "shard")}`,
  );
}
