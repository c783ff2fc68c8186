/** Branches of low rank beside ternary linears: what kernels compute of them, what they take, and how they leave as ONNX. */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { storageOf } from "../../compiler/account/tensor-bytes.js";
import { evaluateFile } from "../../compiler/cli/evaluate-file.js";
import { compileModel } from "../../compiler/compile.js";
import { checkInputs } from "../../compiler/evaluate.js";
import { exportOnnx } from "../../compiler/onnx-export/index.js";
import { readBundleSource } from "../../compiler/onnx-export/source.js";
import { parseManifest } from "../../ir/format/manifest.js";
import { interpret } from "../../ir/interpret/index.js";
import { givenTensors } from "../support/given-models.js";
import { relativeError } from "../support/run-compiled.js";
import { runOnnx } from "../support/run-onnx.js";

const MODELS = join(import.meta.dirname, "..", "models", "import");
const root = mkdtempSync(join(tmpdir(), "tritc-branches-"));
afterAll(() => rmSync(root, { recursive: true }));

const RANK = 5;
const OPTIONS = { ternarize: "exact", emit: "source", threads: 0 } as const;
const inputOf = (name: string) => join(MODELS, name, "model.onnx");

/** What the interpreter says of a bundle's own graph, and what goes in. */
async function reference(bundle: string, name: string) {
  const { graph, reader } = await readBundleSource(bundle);
  const inputs = checkInputs(graph, givenTensors(`import/${name}/inputs.safetensors`));
  const [wanted] = interpret(graph, inputs, { reader }).values();
  reader.close();
  return { graph, inputs, wanted };
}

it.each([
  ["ts17-optimum", 26],
  ["ts17-schnell-static", 40],
])("a branch beside each linear of %s: bytes, kernels and ONNX", async (name, layers) => {
  const [plain, out] = ["plain", "branched"].map((form) => join(root, `${name}-${form}`));
  if (plain === undefined || out === undefined) throw new Error("no folders");
  const made = { ...OPTIONS, input: inputOf(name), target: "cpu", activations: "f32" } as const;
  const without = await compileModel({ ...made, out: plain });
  const report = await compileModel({ ...made, out, residualRank: RANK });
  expect(without.residual).toBeNull();
  expect(report.residual).toEqual({ rank: RANK, layers, without: [] });

  const [before, tensors] = [plain, out].map((bundle) => {
    const path = join(bundle, "manifest.json");
    return parseManifest(readFileSync(path, "utf8"), path).tensors;
  });
  const added = (tensors ?? []).filter(({ name: own }) => !before?.some((other) => other.name === own));
  const matrices = added.filter(({ name: own }) => /\.(up|down)\.weight$/.test(own));
  const gates = added.filter(({ name: own }) => /^ones\.\d+$/.test(own));
  expect(matrices.length + gates.length).toBe(added.length);
  expect(new Set(matrices.map(({ dtype }) => dtype))).toEqual(new Set(["f16"]));
  expect(matrices.filter(({ name: own }) => own.endsWith(".up.weight")).length).toBe(layers);
  // U [rows, rank] and V [rank, columns] of each linear; those that are merged keep theirs.
  const { graph, inputs, wanted } = await reference(out, name);
  const sides = graph.nodes.flatMap((node) => {
    if (node.op !== "ternary-linear") return [];
    const [rows = 0, columns = 0] = graph.constants.get(node.inputs[1] ?? "")?.shape ?? [];
    return [rows + (node.attrs.role?.endsWith(".qkv") ? 3 : 1) * columns];
  });
  const bytes = 2 * RANK * sides.reduce((sum, side) => sum + side, 0);
  expect(storageOf(matrices).bytes).toBe(bytes);
  const all = storageOf(tensors ?? []);
  expect(all.bytes).toBe(storageOf(before ?? []).bytes + bytes + storageOf(gates).bytes);
  const file = readFileSync(join(out, "weights.safetensors"));
  expect(report.weightBytes).toBe(file.length);
  expect(file.length).toBe(8 + Number(file.readBigUInt64LE(0)) + all.bytes);
  expect(statSync(join(out, "weights.safetensors")).size).toBe(report.weightBytes);

  const [found] = (await evaluateFile(out, inputs, { threads: 1 })).outputs.values();
  expect(relativeError(found, wanted)).toBeLessThan(1e-5);
  const [bare] = (await evaluateFile(plain, inputs, { threads: 1 })).outputs.values();
  expect(relativeError(found, bare)).toBeGreaterThan(1e-3);
  for (const weights of ["dequantized", "2bit"] as const) {
    const exported = await exportOnnx({ input: out, out: mkdtempSync(join(root, "o-")), weights });
    const [output] = (await runOnnx(exported.files[0]?.path ?? "", inputs)).values();
    expect(relativeError(output, wanted)).toBeLessThan(1e-3);
  }
});

describe("with int8 activations", () => {
  const made = { ...OPTIONS, input: inputOf("ts17-optimum"), activations: "int8", residualRank: 3 } as const;

  it.each(["cpu", "webgpu"])("kernels of %s compute what the graph says", async (target) => {
    const out = join(root, target);
    await compileModel({ ...made, target, out });
    const { inputs, wanted } = await reference(out, "ts17-optimum");
    const [found] = (await evaluateFile(out, inputs, { threads: 1 })).outputs.values();
    expect(relativeError(found, wanted)).toBeLessThan(1e-5);
  });

  it("programs for CUDA add branches before heads are normalized, and say the same", async () => {
    const [out, cpu] = [join(root, "a100"), join(root, "again")];
    await compileModel({ ...made, target: "a100", out });
    await compileModel({ ...made, target: "cpu", out: cpu });
    const [on, beside] = await Promise.all([out, cpu].map((bundle) => reference(bundle, "ts17-optimum")));
    expect(on?.graph.nodes.some(({ op }) => op === "ternary-qkv")).toBe(false);
    expect(relativeError(on?.wanted, beside?.wanted)).toBeLessThan(1e-5);
  });
});
