/**
 * What branches of low rank (`compile --residual-rank`) give back of the results of a model's layers, by the moments of a
 * calibration: E|y − ŷ|² / E|y|², biases included, of each method and rank, on average over the layers; bytes of the branches.
 *
 *     npm run build && node dist/benchmarks/residual-error.js test/models/shapes moments [0,8,16,32]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCalibration } from "../compiler/calibration/folder.js";
import { fileReader } from "../compiler/file-reader.js";
import { calibratedModel } from "../compiler/gptq/calibrated.js";
import { trace } from "../compiler/gptq/relative-error.js";
import { importModel } from "../compiler/import-model.js";
import { blockLinears, ternarizedBy } from "../compiler/passes/ternarize.js";
import { recognize } from "../compiler/recognize/recognition.js";
import { residualModel } from "../compiler/residual/residual.js";
import type { Constant } from "../ir/constant/constant.js";
import { readConstant } from "../ir/constant/read.js";
import type { Graph } from "../ir/graph/graph.js";

const [input = "test/models/shapes", calibration = "moments", list = "0,8,16,32"] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), "tritc-residual-"));
const reader = fileReader();
const values = (constant: Constant | undefined) =>
  constant === undefined ? undefined : Float64Array.from(readConstant(constant, reader).data, Number);
const original = recognize(importModel(input), reader);
const linears = blockLinears(original);
const moments = await (await openCalibration(calibration)).moments();

const calibrated = await calibratedModel(original, calibration, join(work, "calibrated"));
await calibrated.prepare({ reader, resume: true });
const forms: readonly (readonly [string, Graph, string | undefined])[] = [
  ["exact", ternarizedBy(original, reader, "exact"), undefined],
  ["exact, with the calibration", ternarizedBy(original, reader, "exact"), calibration],
  ["calibrated", calibrated.graph, calibration],
];
for (const [method, ternary, by] of forms) {
  for (const rank of list.split(",").map(Number)) {
    const prepared = join(work, `${method} ${rank}`);
    const started = performance.now();
    const branched =
      rank === 0 ? undefined : await residualModel(original, ternary, { rank, calibration: by, prepared });
    await branched?.prepare({ reader, resume: true });
    const seconds = (performance.now() - started) / 1000;
    const errors = await errorsOf(branched?.graph ?? ternary, branched?.branches);
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    const bytes = [...(branched?.branches.values() ?? [])].reduce(
      (sum, { up, down }) => sum + 2 * rank * ((up.shape[0] ?? 0) + (down.shape[1] ?? 0)),
      0,
    );
    const most = Math.max(...errors);
    console.log(JSON.stringify({ method, rank, mean, most, layers: errors.length, bytes, seconds }));
  }
}
reader.close();
rmSync(work, { recursive: true });

async function errorsOf(
  graph: Graph,
  branches: Awaited<ReturnType<typeof residualModel>>["branches"] | undefined,
): Promise<readonly number[]> {
  const errors: number[] = [];
  for (const { roles, width: k, read } of moments) {
    const { matrix, mean } = await read();
    for (const node of graph.nodes) {
      const linear = linears.get(node.outputs[0] ?? "");
      if (node.op !== "ternary-linear" || linear === undefined || !roles.includes(linear.role)) continue;
      const [codes, scales, bias] = node.inputs.slice(1).map((id) => graph.constants.get(id ?? ""));
      const [t, s, b, w, before] = [codes, scales, bias, linear.weight, linear.bias ?? undefined].map(values);
      if (codes === undefined || t === undefined || s === undefined || w === undefined) continue;
      const branch = branches?.get(codes);
      const [up, down] = [values(branch?.up), values(branch?.down)];
      const rank = branch?.down.shape[0] ?? 0;
      const lost = w.map((value, at) => {
        const [row, column] = [Math.floor(at / k), at % k];
        let rest = value - (s[row] ?? 0) * (t[at] ?? 0);
        for (let r = 0; r < rank; r++) rest -= (up?.[row * rank + r] ?? 0) * (down?.[r * k + column] ?? 0);
        return rest;
      });
      let error = trace(s.length, k, (i) => lost[i] ?? 0, matrix);
      for (let row = 0; row < s.length; row++) {
        const shift = (before?.[row] ?? 0) - (b?.[row] ?? 0);
        let onMean = 0;
        for (let j = 0; j < k; j++) onMean += (lost[row * k + j] ?? 0) * (mean[j] ?? 0);
        error += 2 * shift * onMean + shift * shift;
      }
      errors.push(error / trace(s.length, k, (i) => w[i] ?? 0, matrix));
    }
  }
  return errors;
}
