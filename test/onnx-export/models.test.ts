/** The given exports with ternary weights, written as ONNX: another runtime computes what the kernels do. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkInputs } from "../../compiler/evaluate.js";
import { fileReader } from "../../compiler/file-reader.js";
import type { WeightForm, WeightType } from "../../compiler/onnx-export/format.js";
import { exportOnnx } from "../../compiler/onnx-export/index.js";
import { readModelSource } from "../../compiler/onnx-export/source.js";
import type { Group } from "../../compiler/pass.js";
import { interpret } from "../../ir/interpret/index.js";
import type { ModelDescription } from "../../ir/models/index.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { compileGiven, givenTensors } from "../support/given-models.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";
import { runOnnx } from "../support/run-onnx.js";

const MODELS = join(import.meta.dirname, "..", "models");
const root = mkdtempSync(join(tmpdir(), "tritc-onnx-export-"));
const reader = fileReader();
let device: Device;
beforeAll(async () => {
  device = await createNodeCpuDevice({ threads: 1 });
});
afterAll(async () => {
  await device.close();
  reader.close();
  rmSync(root, { recursive: true });
});

const modelPath = (name: string) => join(MODELS, name, "model.onnx");

const known = new Map<string, ReturnType<typeof exportOnnx>>();
/** What exporting a model gives; exported once for all tests that ask. */
function exported(name: string, weights: WeightForm, type?: WeightType): ReturnType<typeof exportOnnx> {
  const key = [name, weights, type].join();
  const first =
    known.get(key) ??
    exportOnnx({
      input: modelPath(name),
      out: mkdtempSync(join(root, "out-")),
      weights,
      ...(type === undefined ? {} : { type }),
    });
  known.set(key, first);
  return first;
}

/** A ternarized model and its only result in the reference interpreter. */
async function reference(path: string, given: ReadonlyMap<string, Tensor>, group?: Group) {
  const source = await readModelSource(path, "model", "exact", group);
  try {
    const inputs = checkInputs(source.graph, given);
    const [output] = interpret(source.graph, inputs, { reader: source.reader }).values();
    return { ...source, inputs, output };
  } finally {
    source.reader.close();
  }
}

function blocks(model: ModelDescription | undefined) {
  const { roles, doubleBlocks, singleBlocks, heads, ropeTheta } = model ?? {};
  return { roles, doubleBlocks, singleBlocks, heads, ropeTheta };
}

const cases = [
  { name: "import/ts14-decomposed", inputs: "import/ts14-decomposed" },
  { name: "import/ts17-optimum", inputs: "import/ts17-optimum" },
  { name: "import/ts17-schnell-static", inputs: "import/ts17-schnell-static" },
  { name: "shapes-ternary/transformer", inputs: "shapes-ternary/transformer", large: true },
  { name: "shapes/transformer", inputs: "shapes-ternary/transformer", large: true },
];

const FORMS = [
  { weights: "dequantized", type: "f32", toReference: 1e-5, toKernels: 1e-3 },
  { weights: "2bit", type: undefined, toReference: 1e-5, toKernels: 1e-3 },
  { weights: "4bit", type: undefined, toReference: 1e-5, toKernels: 1e-3 },
  { weights: "dequantized", type: "f16", toReference: 1e-3, toKernels: 1e-3 },
  // 8 bits of a row's scale are left: an error of the scales, not of the operators.
  { weights: "dequantized", type: "bf16", toReference: 4e-3, toKernels: 4e-3 },
] as const;

describe.each(cases)("$name", ({ name, inputs: from, large }) => {
  const given = givenTensors(`${from}/inputs.safetensors`);
  let wanted: Awaited<ReturnType<typeof reference>>;
  let kernels: Tensor | undefined;
  beforeAll(async () => {
    wanted = await reference(modelPath(name), given);
    const options = { ternarize: "exact", activations: "f32" } as const;
    const compiled = await compileGiven(name, reader, { target: cpu, options });
    [kernels] = (await runCompiled(compiled, reader, device, given)).values();
  });

  it.each(large === true ? FORMS.slice(0, 2) : FORMS)(
    "$weights $type",
    async ({ weights, type, toReference, toKernels }) => {
      const report = await exported(name, weights, type);
      const [file] = report.files;
      expect(report.opset).toBe(weights === "2bit" ? 25 : 21);

      const [found] = (await runOnnx(file?.path ?? "", wanted.inputs)).values();
      expect(found?.shape).toEqual(wanted.output?.shape);
      expect(relativeError(found, wanted.output)).toBeLessThan(toReference);
      expect(relativeError(found, kernels)).toBeLessThan(toKernels);

      const again = await reference(file?.path ?? "", given);
      expect(blocks(again.graph.model)).toEqual(blocks(wanted.graph.model));
      expect(again.graph.nodes.map(({ op }) => op).sort()).toEqual(
        wanted.graph.nodes.map(({ op }) => op).sort(),
      );
      expect(relativeError(again.output, wanted.output)).toBeLessThan(toReference);
      expect(again.ports).toEqual(wanted.ports);
    },
  );
});

/** Shapes of the scales of a graph's ternary weights. */
function scaleShapes({ graph }: Awaited<ReturnType<typeof reference>>): string[] {
  return graph.nodes.flatMap(({ op, inputs }) =>
    op === "ternary-linear" ? `${graph.constants.get(inputs[2] ?? "")?.shape.join(" x ")}` : [],
  );
}

describe("scales for groups of 32 inputs", () => {
  const name = "import/ts17-optimum";
  const given = givenTensors(`${name}/inputs.safetensors`);

  it.each(FORMS.slice(0, 3))("$weights", async ({ weights, type, toReference }) => {
    const wanted = await reference(modelPath(name), given, 32);
    expect(scaleShapes(wanted).filter((shape) => shape.includes("x")).length).toBeGreaterThan(10);
    const out = mkdtempSync(join(root, "out-"));
    const options = type === undefined ? {} : { type };
    const { files } = await exportOnnx({ input: modelPath(name), out, weights, group: 32, ...options });
    const path = files[0]?.path ?? "";
    const [found] = (await runOnnx(path, wanted.inputs)).values();
    expect(relativeError(found, wanted.output)).toBeLessThan(toReference);
    // What is read back has these groups.
    const again = await reference(path, given);
    expect(scaleShapes(again)).toEqual(scaleShapes(wanted));
    expect(relativeError(again.output, wanted.output)).toBeLessThan(toReference);
  });
});

it("2-bit codes take a ninth of the f32 weights, and less than 4-bit ones", async () => {
  const bytes = async (weights: WeightForm) => {
    const { files } = await exported("shapes-ternary/transformer", weights);
    return files.reduce((sum, file) => sum + file.bytes, 0);
  };
  const [floats, four, two] = [await bytes("dequantized"), await bytes("4bit"), await bytes("2bit")];
  expect(two * 9).toBeLessThan(floats);
  expect(two).toBeLessThan(four);
});
