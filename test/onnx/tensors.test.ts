import { mkdirSync, mkdtempSync, renameSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import onnxProto from "onnx-proto";
import { describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { readConstant } from "../../ir/constant/read.js";
import type { DType } from "../../ir/dtype.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { modelFiles } from "../support/model-files.js";
import {
  type AttributeValue,
  externalTensor,
  type GraphParts,
  graph,
  int64,
  model,
  node,
  ONNX_TYPE,
  type OnnxTypeName,
  rawBytes,
  tensor,
  value,
} from "../support/onnx-builder.js";

const { root, save: saved } = modelFiles();

const X: Tensor = { dtype: "f32", shape: [2, 3], data: Float32Array.of(1, -2, 3, 0.5, 5, -6) };
const x = value("x", "f32", ["rows", 3]);

describe("tensors", () => {
  const cases: readonly [
    string,
    Parameters<typeof tensor>[1] & OnnxTypeName,
    DType,
    object,
    readonly number[],
  ][] = [
    ["float_data", "f32", "f32", { floatData: [1.5, -2, 3] }, [1.5, -2, 3]],
    ["double_data", "f64", "f64", { doubleData: [1.5, -2, 3] }, [1.5, -2, 3]],
    ["int64_data", "i64", "i64", { int64Data: [int64(-1), int64(2), int64(3)] }, [-1, 2, 3]],
    ["uint64_data of uint32", "u32", "u32", { uint64Data: [1, 2, 4294967295] }, [1, 2, 4294967295]],
    ["int32_data of int32", "i32", "i32", { int32Data: [1, -2, 3] }, [1, -2, 3]],
    ["int32_data of int16", "i16", "i16", { int32Data: [1, -2, 3] }, [1, -2, 3]],
    ["int32_data of uint8", "u8", "u8", { int32Data: [1, 200, 3] }, [1, 200, 3]],
    ["int32_data of int8", "i8", "i8", { int32Data: [1, -2, 3] }, [1, -2, 3]],
    ["int32_data of bool", "bool", "bool", { int32Data: [1, 0, 1] }, [1, 0, 1]],
    ["int32_data of float16", "f16", "f16", { int32Data: [0x3e00, 0xc000, 0x4200] }, [1.5, -2, 3]],
    ["int32_data of bfloat16", "bf16", "bf16", { int32Data: [0x3fc0, 0xc000, 0x4040] }, [1.5, -2, 3]],
    ["int32_data of uint4", "u4", "u4", { int32Data: [0xf1, 0x07] }, [1, 15, 7]],
    ["int32_data of int4", "i4", "i4", { int32Data: [0xf1, 0x07] }, [1, -1, 7]],
    ["int32_data of int2", "i2", "i2", { int32Data: [0b011101] }, [1, -1, 1]],
    [
      "raw_data of float16",
      "f16",
      "f16",
      { rawData: rawBytes("f16", [0x3e00, 0xc000, 0x4200]) },
      [1.5, -2, 3],
    ],
    [
      "raw_data of bfloat16",
      "bf16",
      "bf16",
      { rawData: rawBytes("bf16", [0x3fc0, 0xc000, 0x4040]) },
      [1.5, -2, 3],
    ],
    ["raw_data of uint4", "u4", "u4", { rawData: Uint8Array.of(0xf1, 0x07) }, [1, 15, 7]],
    ["raw_data of int2", "i2", "i2", { rawData: Uint8Array.of(0b110110) }, [-2, 1, -1]],
    ["raw_data of uint2", "u2", "u2", { rawData: Uint8Array.of(0b110110) }, [2, 1, 3]],
    ["raw_data of uint64", "u64", "u64", { rawData: rawBytes("u64", [1, 2, 3]) }, [1, 2, 3]],
  ];
  const reader = fileReader();

  it.each(cases)("%s", (_, type, dtype, fields, expected) => {
    const w = { name: "w", dims: [3], dataType: ONNX_TYPE[type], ...fields };
    const bytes = model({
      inputs: [x],
      outputs: [value("y")],
      nodes: [node("Neg", ["x"], ["y"])],
      initializers: [w],
    });
    const constant = importOnnx(saved(bytes)).constants.get("w");
    expect(constant?.dtype).toBe(dtype);
    if (constant !== undefined)
      expect(Array.from(readConstant(constant, reader).data, Number)).toEqual(expected);
  });

  const attributes: readonly [
    string,
    Record<string, AttributeValue>,
    DType,
    readonly number[],
    readonly number[],
  ][] = [
    ["value", { value: { t: tensor("", "i64", [2], [5, 6]) } }, "i64", [2], [5, 6]],
    ["value_float", { value_float: { f: 0.5 } }, "f32", [], [0.5]],
    ["value_int", { value_int: { i: -7 } }, "i64", [], [-7]],
    ["value_floats", { value_floats: { floats: [1, 2] } }, "f32", [2], [1, 2]],
    ["value_ints", { value_ints: { ints: [3, 4, 5] } }, "i64", [3], [3, 4, 5]],
  ];

  it.each(attributes)("Constant %s", (_, attribute, dtype, shape, expected) => {
    const nodes = [node("Constant", [], ["c"], attribute), node("Identity", ["c"], ["y"])];
    const imported = importOnnx(saved(model({ inputs: [x], outputs: [{ name: "y" }], nodes })));
    const y = interpret(imported, new Map([["x", X]]), { reader }).get("y");
    expect(y?.dtype).toBe(dtype);
    expect(y?.shape).toEqual(shape);
    expect(Array.from(y?.data ?? [], Number)).toEqual(expected);
  });

  it("large raw data stays in the file", () => {
    const values = Array.from({ length: 3000 }, (_, k) => k / 7);
    const w = tensor("w", "f32", [30, 100], values);
    const file = saved(
      model({ inputs: [x], outputs: [value("y")], nodes: [node("Neg", ["x"], ["y"])], initializers: [w] }),
    );
    const constant = importOnnx(file).constants.get("w");
    expect(constant?.source).toMatchObject({ kind: "file", file, length: 12000 });
    if (constant !== undefined)
      expect(readConstant(constant, reader).data).toEqual(Float32Array.from(values));
  });

  it("large raw data stays in the file wherever it is", () => {
    const values = (base: number) => Array.from({ length: 1500 }, (_, k) => base + k / 8);
    const large = (name: string, base: number) => tensor(name, "f32", [1500], values(base));
    const branch = (base: number) =>
      graph({
        outputs: [value("b", "f32")],
        initializers: [large("inside", base)],
        nodes: [node("Neg", ["inside"], ["b"])],
      });
    const file = saved(
      model(
        {
          inputs: [value("c", "bool", [])],
          outputs: [value("y")],
          nodes: [
            node("Constant", [], ["k"], { value: { t: large("", 100) } }),
            node("If", ["c"], ["i"], { then_branch: { g: branch(200) }, else_branch: { g: branch(300) } }),
            node("F", ["i"], ["f"], {}, { domain: "local" }),
            node("Sum", ["k", "f", "w"], ["y"]),
          ],
          initializers: [large("w", 400)],
        },
        {
          domains: ["local"],
          functions: [
            {
              name: "F",
              domain: "local",
              inputs: ["p"],
              outputs: ["r"],
              nodes: [
                node("Constant", [], ["q"], { value: { t: large("", 500) } }),
                node("Add", ["p", "q"], ["r"]),
              ],
            },
          ],
        },
      ),
    );
    const imported = importOnnx(file);
    for (const constant of imported.constants.values()) expect(constant.source.kind).toBe("file");
    for (const [c, base] of [
      [1, 200],
      [0, 300],
    ] as const) {
      const condition: Tensor = { dtype: "bool", shape: [], data: Uint8Array.of(c) };
      const y = interpret(imported, new Map([["c", condition]]), { reader }).get("y");
      expect(Array.from(y?.data ?? [], Number)).toEqual(
        Array.from({ length: 1500 }, (_, k) => 1000 - base + k / 4),
      );
    }
  });

  it("a model of a gigabyte is read without its weights", () => {
    const { ModelProto, GraphProto, TensorProto } = onnxProto.onnx;
    const raw = 2 ** 30;
    const w = [
      ...TensorProto.encode({ name: "w", dims: [raw / 4], dataType: 1 }).finish(),
      0x4a,
      ...varint(raw),
    ];
    const parts = { inputs: [x], outputs: [value("y")], nodes: [node("Neg", ["x"], ["y"])] };
    const g = [...GraphProto.encode(graph(parts)).finish(), 0x2a, ...varint(w.length + raw), ...w];
    const head = ModelProto.encode({ irVersion: 8, opsetImport: [{ domain: "", version: 17 }] }).finish();
    const bytes = Uint8Array.from([...head, 0x3a, ...varint(g.length + raw), ...g]);
    const file = saved(bytes);
    // A hole: the weights take no space on disk, and reading them would give zeros.
    truncateSync(file, bytes.length + raw);
    const before = process.memoryUsage().arrayBuffers;
    const constant = importOnnx(file).constants.get("w");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
    expect(constant?.source).toEqual({ kind: "file", file, offset: bytes.length, length: raw });
    truncateSync(file, bytes.length + raw - 1);
    expect(() => importOnnx(file)).toThrow(
      /not a readable ONNX protobuf[\s\S]*leaves its message, at byte \d+/,
    );
  });
});

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return [...out, rest];
}

describe("external data", () => {
  const values = [1, 2, 3, 4, 5, 6];
  const parts = (entries: Record<string, string>): GraphParts => ({
    inputs: [x],
    outputs: [value("y")],
    nodes: [
      node("Constant", [], ["c"], {
        value: { t: externalTensor("", "f32", [2], { ...entries, length: "8" }) },
      }),
      node("Add", ["x", "w"], ["y"]),
    ],
    initializers: [externalTensor("w", "f32", [3], entries)],
  });
  const read = (imported: Graph, id: string) => {
    const constant = imported.constants.get(id);
    expect(constant?.source.kind).toBe("file");
    return constant === undefined ? [] : Array.from(readConstant(constant, fileReader()).data, Number);
  };

  it.each([
    [{ location: "w.bin" }, [1, 2, 3]],
    [{ location: "w.bin", offset: "8" }, [3, 4, 5]],
    [{ location: "./sub/../w.bin".replace("sub/../", ""), offset: "12", checksum: "0" }, [4, 5, 6]],
    [{ location: "sub/w.bin", offset: "4" }, [2, 3, 4]],
  ])("%j", (entries, expected) => {
    const file = saved(model(parts(entries)));
    for (const target of ["w.bin", "sub/w.bin"]) {
      mkdirSync(join(file, "..", "sub"), { recursive: true });
      writeFileSync(join(file, "..", target), rawBytes("f32", values));
    }
    const imported = importOnnx(file);
    expect(read(imported, "w")).toEqual(expected);
    expect(read(imported, "c")).toEqual(expected.slice(0, 2));
  });

  it("follows the links of a Hugging Face cache", () => {
    const cache = mkdtempSync(join(root, "hf-"));
    const snapshot = join(cache, "snapshots", "abc", "transformer");
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(cache, "blobs"));
    renameSync(saved(model(parts({ location: "model.onnx_data" }))), join(cache, "blobs", "1"));
    writeFileSync(join(cache, "blobs", "2"), rawBytes("f32", values));
    symlinkSync("../../../blobs/1", join(snapshot, "model.onnx"));
    symlinkSync("../../../blobs/2", join(snapshot, "model.onnx_data"));
    expect(read(importOnnx(join(cache, "snapshots", "abc")), "w")).toEqual([1, 2, 3]);
  });
});

describe("model folders", () => {
  const bytes = (name: string) =>
    model({ name, inputs: [x], outputs: [value("y")], nodes: [node("Neg", ["x"], ["y"])] });
  const folder = (files: Readonly<Record<string, string>>) => {
    const directory = mkdtempSync(join(root, "folder-"));
    for (const [file, name] of Object.entries(files)) {
      mkdirSync(join(directory, file, ".."), { recursive: true });
      writeFileSync(join(directory, file), bytes(name));
    }
    return directory;
  };

  it.each([
    [{ "model.onnx": "m" }, "m"],
    [{ "transformer/model.onnx": "t", "vae_decoder/model.onnx": "v", "model.onnx": "m" }, "t"],
    [{ "transformer.opt/bf16/model.onnx": "b", "transformer.opt/fp8/model.onnx": "f" }, "b"],
    [{ "bf16/model.onnx": "b", "fp4/model.onnx": "f" }, "b"],
    [{ "flux.onnx": "only" }, "only"],
  ])("%j", (files, name) => {
    expect(importOnnx(folder(files)).name).toBe(name);
  });
});

describe("reading files", () => {
  const file = join(root, "bytes.bin");
  writeFileSync(file, Uint8Array.of(1, 2, 3, 4, 5));

  it("gives the bytes of a range", () => {
    const reader = fileReader();
    expect(reader.read(file, 1, 3)).toEqual(Uint8Array.of(2, 3, 4));
    expect(reader.read(file, 5, 0)).toEqual(new Uint8Array(0));
    reader.close();
  });

  it.each([
    [4, 2],
    [-1, 1],
    [6, 0],
  ])("refuses offset %d, length %d", (offset, length) => {
    const reader = fileReader();
    expect(() => reader.read(file, offset, length)).toThrow(
      /bytes\.bin: the file ends before[\s\S]*a file of 5 bytes/,
    );
    reader.close();
  });

  it("names a file that cannot be opened", () => {
    expect(() => fileReader().read(join(root, "none.bin"), 0, 1)).toThrow(
      /none\.bin: the file cannot be opened/,
    );
  });
});
