import type { ExportReport } from "../../onnx-export/index.js";
import type { ExportOnnxOptions } from "../commands/export-onnx.js";
import { formatBytes, formatCount, Terminal, table } from "../terminal.js";

export async function exportModel(input: string, options: ExportOnnxOptions): Promise<void> {
  const terminal = new Terminal(options);
  const { io, out, weights, ternarize, type, opset } = options;
  const signal = io.interruptSignal();
  const { exportOnnx } = await import("../../onnx-export/index.js");
  const progress = terminal.progress("exporting", "tensors");
  const report = await exportOnnx({
    input,
    out,
    weights,
    ...(ternarize === undefined ? {} : { ternarize }),
    ...(type === undefined ? {} : { type }),
    ...(opset === undefined ? {} : { opset }),
    onProgress: progress.update,
    signal,
  }).finally(() => progress.stop());
  if (report.model === null) terminal.note("no FLUX transformer was recognized: no weight is ternary");
  terminal.result(report, table(rowsOf(report)));
}

function rowsOf(report: ExportReport): readonly (readonly [string, string])[] {
  const form =
    report.type === null ? `${report.weights} codes, one f32 scale a row` : `dequantized, ${report.type}`;
  return [
    ...report.files.map(({ path, bytes }) => ["file", `${path}, ${formatBytes(bytes)}`] as const),
    ["ternary weights", `${formatCount(report.ternaryWeights)}, ${form}`],
    ["opset", `${report.opset}, ${formatCount(report.nodes)} nodes`],
    ["batch", report.dynamicBatch ? "any" : "as in the source"],
    ["time", `${report.seconds.toFixed(1)} s`],
  ];
}
