import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { exportOnnx } from "../../compiler/onnx-export/index.js";
import { recognition } from "../../compiler/recognize/recognition.js";
import { openGenerator } from "../../runtime/node/generate.js";
import { buildFlux } from "../support/flux-builder.js";
import { type FluxStyle, TINY, TORCHSCRIPT } from "../support/flux-style.js";
import { importBytes, reader } from "./models.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-refusals-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const shapes = join(import.meta.dirname, "..", "models", "shapes");

function modelFile(name: string, style: Partial<FluxStyle>): string {
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, buildFlux({ ...TORCHSCRIPT, ...style }, { ...TINY, singles: 1 }, 2));
  return file;
}

const common = { target: "cpu", activations: "f32", resolutions: [{ width: 32, height: 48 }] } as const;

describe("a model that is not recognized", () => {
  const input = modelFile("masked", { attention: "masked" });

  it("is refused where weights should become ternary, and named where recognition stopped", async () => {
    const out = join(folder, "refused");
    for (const ternarize of ["exact", "absmean"] as const) {
      await expect(compileModel({ ...common, input, out, ternarize })).rejects.toMatchObject({
        code: "TRITC_E_NOT_FLUX",
        details: { found: "where", expected: expect.stringContaining("softmax") },
      });
    }
    await expect(exportOnnx({ input, out })).rejects.toMatchObject({ code: "TRITC_E_NOT_FLUX" });
    const lora = [{ file: join(folder, "style.safetensors"), scale: 1 }];
    await expect(compileModel({ ...common, input, out, ternarize: "none", lora })).rejects.toMatchObject({
      code: "TRITC_E_LORA",
    });
    expect(existsSync(out)).toBe(false);
  });

  it("is taken as it is with `none`", async () => {
    const exported = await exportOnnx({ input, out: join(folder, "plain"), ternarize: "none" });
    expect(exported).toMatchObject({ model: null, ternaryWeights: 0 });
    const out = join(folder, "generic");
    const report = await compileModel({ ...common, input, out, ternarize: "none" });
    expect(report.model).toBeNull();
    await expect(openGenerator(out, { pipeline: shapes })).rejects.toMatchObject({
      code: "TRITC_E_NOT_A_SAMPLER",
    });
  });
});

it("inputs of a ControlNet are named by what refuses to draw without them", async () => {
  const out = join(folder, "controlnet");
  const input = modelFile("controlnet", { residuals: "inputs" });
  const report = await compileModel({ ...common, input, out, ternarize: "exact" });
  expect(report.model).toMatchObject({ doubleBlocks: 1, singleBlocks: 1 });
  await expect(openGenerator(out, { pipeline: shapes })).rejects.toMatchObject({
    code: "TRITC_E_NOT_A_SAMPLER",
    details: { found: expect.stringContaining("residual_0, residual_1") },
  });
});

it("names of axes that mean something else do not matter", () => {
  const graph = importBytes(buildFlux(TORCHSCRIPT, TINY));
  const types = new Map(graph.types);
  for (const id of ["img_ids", "txt_ids"]) types.set(id, { dtype: "i64", shape: ["batch_size", 3] });
  const { graph: recognized } = recognition({ ...graph, types }, reader);
  expect(recognized.types.get("img_ids")?.shape).toEqual(["img_tokens", 3]);
  expect(recognized.types.get("hidden_states")?.shape).toEqual([1, "img_tokens", 12]);
});
