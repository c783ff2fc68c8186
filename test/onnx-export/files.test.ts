/** What lies on the disk after an export, after a refused one, and after one that was stopped. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import onnxProto from "onnx-proto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { importAndRecognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { exportOnnx } from "../../compiler/onnx-export/index.js";
import type { ByteReader } from "../../ir/constant/constant.js";
import type { TritcError } from "../../ir/errors.js";
import { cli } from "../support/cli.js";
import { buildFlux } from "../support/flux-builder.js";
import { STYLES, TINY } from "../support/flux-style.js";
import { model, node, tensor, value } from "../support/onnx-builder.js";
import { runOnnx } from "../support/run-onnx.js";
import { snapshot } from "../support/tree.js";

const root = mkdtempSync(join(tmpdir(), "tritc-onnx-files-"));
const source = join(root, "flux.onnx");
beforeAll(() => {
  const style = STYLES.torchscript;
  if (style === undefined) throw new Error("no such style");
  writeFileSync(source, buildFlux(style, TINY));
});
afterAll(() => rmSync(root, { recursive: true }));

const folder = () => mkdtempSync(join(root, "t-"));

function codeOf(error: unknown): string {
  return (error as TritcError).code;
}

async function refusal(options: Parameters<typeof exportOnnx>[0]): Promise<string> {
  const before = snapshot(root);
  const error: unknown = await exportOnnx(options).then(
    () => new Error("it was not refused"),
    (e: unknown) => e,
  );
  expect(snapshot(root)).toEqual(before);
  return `${codeOf(error)} ${error instanceof Error ? error.message : ""}`;
}

const BITS: Readonly<Record<number, number>> = { 1: 32, 7: 64, 10: 16, 16: 16, 22: 4, 26: 2 };

describe.each(["dequantized", "4bit", "2bit"] as const)("%s", (weights) => {
  it("places external tensors without overlap, at multiples of 4096, and holds small ones itself", async () => {
    const out = join(folder(), "model");
    const { files } = await exportOnnx({ input: source, out, weights });
    expect(readdirSync(out).sort()).toEqual(["model.onnx", "model.onnx_data"]);
    expect(files.map(({ path, bytes }) => [path, bytes])).toEqual(
      ["model.onnx", "model.onnx_data"].map((name) => [join(out, name), statSync(join(out, name)).size]),
    );
    const { graph, irVersion, opsetImport } = onnxProto.onnx.ModelProto.decode(
      readFileSync(join(out, "model.onnx")),
    );
    expect([Number(irVersion), Number(opsetImport[0]?.version)]).toEqual(
      weights === "2bit" ? [13, 25] : [10, 21],
    );
    const names = [...(graph?.input ?? []), ...(graph?.initializer ?? [])].map(({ name }) => name);
    const produced = (graph?.node ?? []).flatMap(({ output }) => output ?? []);
    expect(new Set([...names, ...produced]).size).toBe(names.length + produced.length);
    let end = 0;
    for (const { name, dims, dataType, rawData, externalData } of graph?.initializer ?? []) {
      const bits = BITS[dataType ?? 0];
      if (bits === undefined) throw new Error(`${name}: element type ${dataType}`);
      const bytes = Math.ceil(((dims ?? []).reduce((n, d) => n * Number(d), 1) * bits) / 8);
      const entries = new Map((externalData ?? []).map(({ key, value: v }) => [key, v]));
      if (entries.size === 0) {
        expect(rawData?.length, `${name}`).toBe(bytes);
        expect(bytes).toBeLessThan(4096);
        continue;
      }
      const offset = Number(entries.get("offset"));
      expect(entries.get("location")).toBe("model.onnx_data");
      expect(Number(entries.get("length"))).toBe(bytes);
      expect(offset % 4096).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + bytes;
    }
    expect(end).toBe(statSync(join(out, "model.onnx_data")).size);
  });

  it("gives the same bytes every time", async () => {
    const [a, b] = [folder(), folder()];
    await exportOnnx({ input: source, out: a, weights });
    await exportOnnx({ input: source, out: b, weights });
    expect(snapshot(a)).toEqual(snapshot(b));
  });
});

it("is recognized again without its weights being read", async () => {
  const out = folder();
  const input = join(import.meta.dirname, "..", "models", "shapes-ternary", "transformer");
  await exportOnnx({ input, out, weights: "2bit" });
  const files = fileReader();
  /** Lengths by offset: a vector may be looked at more than once. */
  const read = new Map<number, number>();
  const reader: ByteReader = {
    read(file, offset, length) {
      if (file.endsWith("_data")) read.set(offset, Math.max(length, read.get(offset) ?? 0));
      return files.read(file, offset, length);
    },
  };
  expect(importAndRecognize(out, reader).model).toBeDefined();
  files.close();
  // Vectors are looked at: the weights are all the rest.
  const bytes = [...read.values()].reduce((sum, length) => sum + length, 0);
  expect(bytes).toBeLessThan(statSync(join(out, "model.onnx_data")).size / 10);
});

it("computes sizes of a general graph from its inputs", async () => {
  const file = join(root, "general.onnx");
  const at = (axis: number) => tensor(`axis${axis}`, "i64", [1], [axis]);
  writeFileSync(
    file,
    model({
      inputs: [value("x", "f32", ["n", "m", 4])],
      outputs: [value("y"), value("z"), value("x2", "i64", [3])],
      initializers: [at(0), at(1), tensor("four", "i64", [1], [4])],
      nodes: [
        node("Shape", ["x"], ["x2"]),
        node("Gather", ["x2", "axis0"], ["n"], { axis: { i: 0 } }),
        node("Gather", ["x2", "axis1"], ["m"], { axis: { i: 0 } }),
        node("Mul", ["m", "four"], ["mc"]),
        node("Add", ["mc", "n"], ["sum"]),
        node("Concat", ["n", "mc"], ["shape"], { axis: { i: 0 } }),
        node("Reshape", ["x", "shape"], ["y"]),
        node("ConstantOfShape", ["sum"], ["z"], { value: { t: tensor("v", "f32", [1], [2.5]) } }),
      ],
    }),
  );
  const out = join(folder(), "general.onnx");
  const report = await exportOnnx({ input: file, out, ternarize: "none" });
  expect([report.model, report.ternaryWeights, report.files.length]).toEqual([null, 0, 1]);
  const x = {
    dtype: "f32",
    shape: [3, 2, 4],
    data: Float32Array.from({ length: 24 }, (_, i) => i + 1),
  } as const;
  const found = await runOnnx(out, new Map([["x", x]]));
  expect(found.get("y")).toEqual({ ...x, shape: [3, 8] });
  expect(found.get("z")?.data).toEqual(new Float32Array(11).fill(2.5));
  expect(found.get("x2")?.data).toEqual(BigInt64Array.of(3n, 2n, 4n));
});

describe("refused before anything is written", () => {
  it("folders with other things in them, other models, files that exist", async () => {
    const [other, foreign, files] = [folder(), folder(), folder()];
    writeFileSync(join(other, "notes.txt"), "mine");
    writeFileSync(join(foreign, "model.onnx"), readFileSync(source));
    writeFileSync(join(files, "a.onnx"), "mine");
    writeFileSync(join(files, "b.onnx_data"), "mine");
    expect(await refusal({ input: source, out: other })).toMatch(/OUT_EXISTS[\s\S]*notes\.txt/);
    expect(await refusal({ input: source, out: foreign })).toMatch(/OUT_EXISTS[\s\S]*did not export/);
    expect(await refusal({ input: source, out: join(files, "a.onnx") })).toMatch(/OUT_EXISTS[\s\S]*a\.onnx/);
    expect(await refusal({ input: source, out: join(files, "b.onnx") })).toMatch(
      /OUT_EXISTS[\s\S]*b\.onnx_data/,
    );
    expect(await refusal({ input: source, out: join(files, "none", "c.onnx") })).toMatch(/TRITC_E_OUT /);
    expect(await refusal({ input: source, out: join(files, "a.onnx", "c") })).toMatch(/TRITC_E_OUT /);
  });

  it("options that do not go together", async () => {
    const out = join(folder(), "x");
    expect(await refusal({ input: source, out, opset: 20 })).toMatch(/USAGE[\s\S]*from 21 to 25/);
    expect(await refusal({ input: source, out, opset: 26 })).toMatch(/USAGE/);
    expect(await refusal({ input: source, out, weights: "2bit", opset: 24 })).toMatch(
      /USAGE[\s\S]*--weights 4bit/,
    );
    expect(await refusal({ input: source, out, weights: "4bit", type: "f16" })).toMatch(
      /USAGE[\s\S]*no float type/,
    );
  });

  it("operations without a form in ONNX's operators", async () => {
    const file = join(root, "branches.onnx");
    const branch = (op: string) => ({
      g: { name: op, node: [node(op, ["x"], [`${op}.y`])], output: [value(`${op}.y`, "f32", [4])] },
    });
    writeFileSync(
      file,
      model({
        inputs: [value("c", "bool", []), value("x", "f32", [4])],
        outputs: [value("y", "f32", [4])],
        nodes: [node("If", ["c"], ["y"], { then_branch: branch("Sin"), else_branch: branch("Cos") })],
      }),
    );
    expect(await refusal({ input: file, out: join(folder(), "y"), ternarize: "none" })).toMatch(
      /UNSUPPORTED_OP[\s\S]*if \(1\)/,
    );
  });
});

it("replaces an earlier export as a whole; stopped in between, the earlier one stays", async () => {
  const parent = folder();
  const out = join(parent, "model");
  await exportOnnx({ input: source, out });
  const before = snapshot(parent);
  const stop = new AbortController();
  let told = 0;
  const stopped = exportOnnx({
    input: source,
    out,
    weights: "2bit",
    signal: stop.signal,
    onProgress: () => {
      if (++told === 3) stop.abort(new Error("stopped"));
    },
  });
  await expect(stopped).rejects.toThrow("stopped");
  expect(snapshot(parent)).toEqual(before);
  await exportOnnx({ input: source, out, weights: "2bit" });
  expect(readdirSync(parent)).toEqual(["model"]);
  expect(statSync(join(out, "model.onnx_data")).size).toBeLessThan(statSync(source).size / 2);
});

it("leaves nothing of an export to a file that was stopped", async () => {
  const parent = folder();
  const signal = AbortSignal.abort(new Error("stopped"));
  await expect(exportOnnx({ input: source, out: join(parent, "m.onnx"), signal })).rejects.toThrow("stopped");
  expect(readdirSync(parent)).toEqual([]);
});

describe("the command", () => {
  it("writes a file and its data, and tells what it did", async () => {
    const out = join(folder(), "m.onnx");
    const { code, stdout, stderr } = await cli([
      "export-onnx",
      source,
      "-o",
      out,
      "--weights",
      "2bit",
      "--json",
    ]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      files: [{ path: out }, { path: `${out}_data` }],
      weights: "2bit",
      type: null,
      opset: 25,
      dynamicBatch: true,
    });
    expect(existsSync(`${out}_data`)).toBe(true);
    const text = await cli(["export-onnx", source, "-o", folder(), "--type", "bf16", "--opset", "23"]);
    expect(text.stdout).toMatch(/ternary weights +\d+, dequantized, bf16[\s\S]*opset +23/);
  });

  it("takes bundles, whose weights are ternary already", async () => {
    const bundle = join(folder(), "bundle");
    expect((await cli(["compile", source, "--target", "cpu", "-o", bundle])).code).toBe(0);
    const out = join(folder(), "m.onnx");
    const refused = await cli(["export-onnx", bundle, "-o", out, "--ternarize", "exact"]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("TRITC_E_USAGE")]);
    expect((await cli(["export-onnx", bundle, "-o", out])).code).toBe(0);
    expect((await cli(["export-onnx", source, "-o", bundle])).stderr).toContain("TRITC_E_OUT_EXISTS");
  });

  it("refuses what it does not know", async () => {
    const out = join(folder(), "m.onnx");
    for (const wrong of [
      ["--weights", "3bit"],
      ["--type", "f8"],
      ["--opset", "x"],
      ["--ternarize", "ternary"],
    ]) {
      const { code, stderr } = await cli(["export-onnx", source, "-o", out, ...wrong]);
      expect([code, stderr]).toEqual([2, expect.stringContaining("TRITC_E_USAGE")]);
    }
    mkdirSync(join(out, "x"), { recursive: true });
    expect((await cli(["export-onnx", source, "-o", out])).stderr).toContain("TRITC_E_OUT");
  });
});
