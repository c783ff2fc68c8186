import type { WeightForm, WeightType } from "../../onnx-export/format.js";
import type { ExportPhase, ExportReport } from "../../onnx-export/index.js";
import type { Group, Ternarize } from "../../pass.js";
import { formatBytes, formatCount, formatDuration, formatQuantity } from "../../units.js";
import type { HubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { modelPath } from "../model-path.js";
import type { CommonOptions } from "../options.js";
import { checkFolderPath } from "../output.js";
import { type Progress, Terminal, table } from "../terminal.js";

export interface ExportOnnxOptions extends CommonOptions, HubOptions {
  readonly out: string;
  readonly weights: WeightForm;
  readonly ternarize?: Ternarize | "calibrated";
  readonly group?: Group;
  readonly calibration?: string;
  readonly type?: WeightType;
  readonly opset?: number;
}

export async function exportModel(given: string, options: ExportOnnxOptions): Promise<void> {
  const terminal = new Terminal(options);
  checkFolderPath(options.out);
  const { io, out, weights, ternarize, group, calibration, type, opset } = options;
  const signal = io.interruptSignal();
  const input = await modelPath(given, "transformer", options);
  const { exportOnnx } = await loaded(import("../../onnx-export/index.js"), options);
  const bars: Readonly<Record<ExportPhase, Progress>> = {
    groups: terminal.progress("groups", "weights"),
    calibrating: terminal.progress("calibrating", "rows"),
    exporting: terminal.progress("exporting", "tensors"),
  };
  const report = await exportOnnx({
    input,
    out,
    weights,
    ...(ternarize === undefined ? {} : { ternarize }),
    ...(group === undefined ? {} : { group }),
    calibration,
    ...(type === undefined ? {} : { type }),
    ...(opset === undefined ? {} : { opset }),
    onNotice: (text) => terminal.note(text),
    onProgress: (phase, done, total) => bars[phase].update(done, total),
    signal,
  }).finally(() => {
    for (const bar of Object.values(bars)) bar.stop();
  });
  terminal.summary(report, table(rowsOf(report)));
}

function rowsOf(report: ExportReport): readonly (readonly [string, string])[] {
  const form =
    report.type === null ? `${report.weights} codes with f32 scales` : `dequantized, ${report.type}`;
  return [
    ...report.files.map(({ path, bytes }) => ["file", `${path}, ${formatBytes(bytes)}`] as const),
    ["ternary weights", `${formatCount(report.ternaryWeights)}, ${form}`],
    ["opset", `${report.opset}, ${formatQuantity(report.nodes, "node")}`],
    ["batch", report.dynamicBatch ? "any" : "as in the source"],
    ["time", formatDuration(report.seconds)],
  ];
}
