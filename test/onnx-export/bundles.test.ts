/** Bundles written back as ONNX: fused operations, and what their kernels quantize, in float operators. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { evaluateFile } from "../../compiler/cli/evaluate-file.js";
import { compileModel } from "../../compiler/compile.js";
import { checkInputs } from "../../compiler/evaluate.js";
import { exportOnnx } from "../../compiler/onnx-export/index.js";
import { readBundleSource } from "../../compiler/onnx-export/source.js";
import { interpret } from "../../ir/interpret/index.js";
import { givenTensors } from "../support/given-models.js";
import { relativeError } from "../support/run-compiled.js";
import { runOnnx } from "../support/run-onnx.js";

const MODELS = join(import.meta.dirname, "..", "models", "import");
const root = mkdtempSync(join(tmpdir(), "tritc-onnx-bundles-"));
afterAll(() => rmSync(root, { recursive: true }));

describe.each([
  { target: "cpu", activations: "f32", op: "adaln", tolerance: 1e-3 },
  // Floats where the bundle has int8: what quantization costs is the difference.
  { target: "cpu", activations: "int8", op: "adaln-quantize", tolerance: 5e-2 },
  { target: "a100", activations: "bf16", op: "ternary-qkv", tolerance: 1e-5 },
  { target: "a100", activations: "int8", op: "ternary-qkv", tolerance: 5e-2 },
] as const)("$target, $activations", ({ target, activations, op, tolerance }) => {
  it.each(["ts17-optimum", "ts17-schnell-static"])("%s", async (name) => {
    const bundle = join(mkdtempSync(join(root, "b-")), "bundle");
    const input = join(MODELS, name, "model.onnx");
    await compileModel({ input, out: bundle, target, ternarize: "exact", activations, emit: "source" });
    const { graph, reader, ports } = await readBundleSource(bundle);
    expect(graph.nodes.map((node) => node.op)).toContain(op);
    const inputs = checkInputs(graph, givenTensors(`import/${name}/inputs.safetensors`));
    const results =
      target === "cpu" && activations === "f32"
        ? (await evaluateFile(bundle, inputs, { threads: 1 })).outputs
        : interpret(graph, inputs, { reader });
    reader.close();
    const [wanted] = results.values();
    for (const weights of ["dequantized", "2bit"] as const) {
      const out = mkdtempSync(join(root, "o-"));
      const report = await exportOnnx({ input: bundle, out, weights });
      expect(report.type).toBe(weights === "2bit" ? null : "f32");
      const found = await runOnnx(report.files[0]?.path ?? "", inputs);
      expect([...found.keys()]).toEqual(ports.outputs.map((port) => port.name));
      const [output] = found.values();
      expect(relativeError(output, wanted)).toBeLessThan(tolerance);
    }
  });
});
