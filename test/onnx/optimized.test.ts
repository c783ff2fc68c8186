import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession } from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";

const models = fileURLToPath(new URL("../models/import/", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "tritc-optimized-"));
afterAll(() => rmSync(root, { recursive: true }));

describe("models that ONNX Runtime's optimizer has rewritten", () => {
  it.each(["ts14-decomposed", "ts17-optimum", "ts17-schnell-static"])("%s", async (name) => {
    const optimizedModelFilePath = join(root, `${name}.onnx`);
    const session = await InferenceSession.create(`${models}${name}/model.onnx`, {
      optimizedModelFilePath,
      graphOptimizationLevel: "extended",
      logSeverityLevel: 4,
    });
    await session.release();
    const graph = importOnnx(optimizedModelFilePath);
    verifyGraph(graph);
    // QuickGelu with alpha 1 is what the optimizer makes of x·sigmoid(x).
    expect(graph.nodes.map((n) => n.op)).toContain("silu");
    const printed = printGraph(graph);
    expect(printGraph(parseGraph(printed))).toBe(printed);
    const read = (file: string) => parseSafetensors(readFileSync(`${models}${name}/${file}.safetensors`));
    const reader = fileReader();
    const [output = ""] = graph.outputs;
    const found = interpret(graph, read("inputs"), { reader }).get(output);
    reader.close();
    for (const expected of read("expected").values()) {
      expect(found?.shape).toEqual(expected.shape);
      const e = Array.from(expected.data, Number);
      const error = Math.hypot(...e.map((v, i) => v - Number(found?.data[i])));
      expect(error / Math.hypot(...e)).toBeLessThan(1e-4);
    }
  });
});
