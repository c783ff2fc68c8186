import type { DistillOptions, DistillReport } from "../../train/distill.js";
import { formatBytes, formatCount, formatDuration, formatQuantity } from "../../units.js";
import { checkEmitOptions } from "../check-emit-options.js";
import type { EmitOptions } from "../emit-options.js";
import { loaded } from "../loaded.js";
import type { CommonOptions } from "../options.js";
import { checkFolderPath } from "../output.js";
import { Terminal, table } from "../terminal.js";

export interface DistillCommandOptions
  extends CommonOptions,
    EmitOptions,
    Omit<DistillOptions, "input" | "onNotice" | "onProgress" | "signal"> {}

export async function runDistill(input: string, options: DistillCommandOptions): Promise<void> {
  checkEmitOptions(input, options);
  if (options.emit !== undefined)
    return (await loaded(import("./emit.js"), options)).emitJobs(input, options);
  checkFolderPath(options.out);
  const terminal = new Terminal(options);
  const signal = options.io.interruptSignal();
  const { distill } = await loaded(import("../../train/distill.js"), options);
  const progress = terminal.progress("training", "steps");
  const report = await distill({
    ...options,
    input,
    signal,
    onNotice: (text) => terminal.note(text),
    onProgress: ({ step, steps, loss }) => progress.update(step, steps, { loss }),
  }).finally(() => progress.stop());
  terminal.summary(report, table(rowsOf(report)));
}

function rowsOf(report: DistillReport): readonly (readonly [string, string])[] {
  const { losses, steps, batch } = report;
  return [
    ...report.files.map(({ path, bytes }) => ["file", `${path}, ${formatBytes(bytes)}`] as const),
    ["trained", `${formatCount(report.parameters)}, ${formatCount(report.ternaryWeights)} of them ternary`],
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
