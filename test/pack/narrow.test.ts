/** Weights in blocks and in bf16, through the weight file: what the graph of a bundle reads back is what the compiler's graph says. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compileGraph } from "../../compiler/compile-graph.js";
import type { WeightTensor } from "../../compiler/lower/weights.js";
import { storedGraph } from "../../compiler/pack/stored-graph.js";
import { packRows } from "../../compiler/pack/tensor-rows.js";
import { layoutWeights } from "../../compiler/pack/weights-file.js";
import { writeWeights } from "../../compiler/pack/write-weights.js";
import { encodeBlocks } from "../../ir/constant/blocks/encode.js";
import type { Constant, ConstantSource } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { readConstant, readRows } from "../../ir/constant/read.js";
import { byteLength, type DType } from "../../ir/dtype.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import { HELD } from "../../ir/ops/held.js";
import { countOf } from "../../ir/tensor.js";
import { cpu } from "../../targets/index.js";
import { READER } from "../interpret/run-op.js";
import { randomFloats } from "../support/random.js";
import { TEXT_GRAPH, textInputs } from "../support/text-graph.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-narrow-"));
afterAll(() => rmSync(folder, { recursive: true }));

it.each(HELD)(
  "a bundle's graph reads %s back as the values that the compiler's graph has",
  async (weights) => {
    const { graph, lowered } = await compileGraph(TEXT_GRAPH, READER, {
      target: cpu,
      options: { ternarize: "none", activations: "f32", weights },
      sizes: {},
      batchAxes: new Map(),
    });
    const layout = layoutWeights(lowered.tensors);
    const path = join(folder, `${weights}.safetensors`);
    await writeWeights(path, layout, { reader: READER, threads: 0 });
    const file = readFileSync(path);
    const reader = {
      read: (_: string, offset: number, length: number) => file.subarray(offset, offset + length),
    };
    const stored = parseGraph(printGraph(storedGraph(graph, layout, READER)));
    verifyGraph(stored);
    const wanted = interpret(graph, textInputs(11), { reader: READER });
    expect(interpret(stored, textInputs(11), { reader })).toEqual(wanted);
    const narrow = lowered.tensors.filter(({ dtype }) => dtype !== "f32");
    expect(narrow.map(({ encoding }) => encoding)).toEqual(
      narrow.map(({ dtype }) => (dtype === "bf16" ? "plain" : weights === "int8" ? "Q8_0" : "Q4_0")),
    );
    expect(narrow).toHaveLength(6);
  },
);

const made = (dtype: DType, shape: readonly number[], source: ConstantSource): Constant => ({
  dtype,
  shape,
  source,
});

function stored(
  dtype: "f32" | "bf16" | "f16",
  rows: number,
  columns: number,
  values: Float32Array,
): Constant {
  return made(dtype, [rows, columns], { kind: "inline", bytes: encodeBytes(dtype, values) });
}

const toBlocks = (of: Constant, format: "Q8_0" | "Q4_0"): Constant =>
  made("u8", [of.shape[0] ?? 0, ((of.shape[1] ?? 0) / 32) * (format === "Q8_0" ? 34 : 18)], {
    kind: "to-blocks",
    of,
    format,
  });

function tensorOf(constant: Constant, encoding: WeightTensor["encoding"]): WeightTensor {
  return { name: "w", id: "w", dtype: "u8", shape: constant.shape, encoding, constant, weight: true };
}

const pack = (tensor: WeightTensor) => Buffer.concat([...packRows(tensor, READER, new WeakMap())]);

describe("rows of blocks", () => {
  const [rows, columns] = [7, 96];
  const values = randomFloats(3, rows * columns);

  it.each(["f32", "bf16", "f16"] as const)("are those of the values, stored as %s, turned or not", (type) => {
    const plain = stored(type, rows, columns, values);
    const floats = Float32Array.from(readConstant(plain, READER).data, Number);
    const turned = Float32Array.from(
      { length: rows * columns },
      (_, i) => floats[(i % rows) * columns + Math.floor(i / rows)]!,
    );
    const columnsFirst = stored(type, columns, rows, turned);
    const transposed = made(type, [rows, columns], { kind: "transpose", of: columnsFirst });
    for (const format of ["Q8_0", "Q4_0"] as const) {
      const wanted = Buffer.from(encodeBlocks(format, floats));
      expect(pack(tensorOf(toBlocks(plain, format), format))).toEqual(wanted);
      expect(pack(tensorOf(toBlocks(transposed, format), format))).toEqual(wanted);
    }
  });

  it("are read in any ranges, and as parts of several matrices", () => {
    const a = toBlocks(stored("f32", rows, columns, values), "Q4_0");
    const whole = Buffer.from(readConstant(a, READER).data as Uint8Array);
    const rowBytes = whole.length / rows;
    const some = readRows(a, 2, 5, READER).data as Uint8Array;
    expect(Buffer.from(some)).toEqual(whole.subarray(2 * rowBytes, 5 * rowBytes));
    const flat = made("u8", [rows * rowBytes], { kind: "reshape", of: a });
    expect(Buffer.from(readRows(flat, 13, 77, READER).data as Uint8Array)).toEqual(whole.subarray(13, 77));
    const part = made("u8", [3, rowBytes], { kind: "rows", of: a, start: 2 });
    const both = made("u8", [rows + 3, rowBytes], { kind: "concat", of: [part, a] });
    const packed = pack(tensorOf(both, "Q4_0"));
    expect(packed).toEqual(Buffer.concat([whole.subarray(2 * rowBytes, 5 * rowBytes), whole]));
    expect(byteLength("u8", countOf(both.shape))).toBe(packed.length);
    // Blocks that a file has already.
    const bytes = made("u8", [rows, rowBytes], { kind: "inline", bytes: new Uint8Array(whole) });
    expect(pack(tensorOf(bytes, "Q4_0"))).toEqual(whole);
  });

  it("are of finite values: others are named", () => {
    const broken = values.slice();
    broken[5 * columns + 17] = Number.NaN;
    const constant = toBlocks(stored("f32", rows, columns, broken), "Q8_0");
    expect(() => pack(tensorOf(constant, "Q8_0"))).toThrow(
      expect.objectContaining({
        code: "TRITC_E_WEIGHT_NOT_FINITE",
        details: expect.objectContaining({ place: "w", found: "NaN in row 5, column 17" }),
      }),
    );
  });

  it("fit their values in a graph", () => {
    const text = (columns: number) =>
      parseGraph(
        `graph "g" { const %w: f32[2, 64] = blocks(u8[2, ${columns}] to-blocks(f32[2, 64] fill(1), Q8_0), Q8_0) output %w }`,
      );
    verifyGraph(text(68));
    expect(() => verifyGraph(text(64))).toThrow(expect.objectContaining({ code: "TRITC_E_IR" }));
    expect(() => parseGraph(printGraph(text(68)).replace("fill(1), Q8_0", "fill(1), Q6_K"))).toThrow(
      /values are rounded to blocks Q8_0 or Q4_0, not Q6_K/,
    );
  });
});
