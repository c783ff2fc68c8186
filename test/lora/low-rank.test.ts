import { describe, expect, it } from "vitest";
import { storedFloat } from "../../compiler/lower/weights.js";
import { rowTiles } from "../../compiler/pack/row-tiles.js";
import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { roundToBfloat } from "../../ir/constant/float16.js";
import { readConstant, readRows } from "../../ir/constant/read.js";
import type { DType } from "../../ir/dtype.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { randomFloats } from "../support/random.js";

/** Matrices one after the other in a file of which every read is noted. */
class CountingFile implements ByteReader {
  readonly reads: { readonly offset: number; readonly length: number }[] = [];
  #bytes = new Uint8Array();

  read(_: string, offset: number, length: number): Uint8Array {
    this.reads.push({ offset, length });
    return this.#bytes.slice(offset, offset + length);
  }

  add(dtype: DType, shape: readonly number[], values: Float32Array): Constant {
    const bytes = encodeBytes(dtype, values);
    const offset = this.#bytes.length;
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    return { dtype, shape, source: { kind: "file", file: "w", offset, length: bytes.length } };
  }
}

const asF32 = (of: Constant): Constant =>
  of.dtype === "f32" ? of : { dtype: "f32", shape: of.shape, source: { kind: "cast", of } };

function sample(rows: number, columns: number, rank: number, dtype: "f32" | "bf16", scale = -0.375) {
  const file = new CountingFile();
  const values = (seed: number, count: number) => {
    const floats = randomFloats(seed, count);
    return dtype === "bf16" ? floats.map(roundToBfloat) : floats;
  };
  const [w, up, down] = [values(1, rows * columns), values(2, rows * rank), values(3, rank * columns)];
  const of = asF32(file.add(dtype, [rows, columns], w));
  const factors = {
    up: asF32(file.add(dtype, [rows, rank], up)),
    down: asF32(file.add(dtype, [rank, columns], down)),
  };
  const constant: Constant = {
    dtype: "f32",
    shape: [rows, columns],
    source: { kind: "low-rank", of, ...factors, scale },
  };
  const wanted = Float32Array.from(w, (value, i) => {
    let sum = 0;
    for (let k = 0; k < rank; k++) {
      sum += (up[Math.floor(i / columns) * rank + k] ?? 0) * (down[k * columns + (i % columns)] ?? 0);
    }
    return value + scale * sum;
  });
  return { file, constant, wanted };
}

describe.each([
  [1, 1, 1],
  [5, 7, 1],
  [6, 9, 3],
  [4, 16, 4],
  [3, 33, 5],
  [8, 20, 9],
])("low-rank: %i x %i of rank %i", (rows, columns, rank) => {
  it.each(["f32", "bf16"] as const)("is W + scale·up·down in %s", (dtype) => {
    const { file, constant, wanted } = sample(rows, columns, rank, dtype);
    const { data } = readConstant(constant, file);
    for (const [i, value] of wanted.entries()) {
      expect(Math.abs(Number(data[i]) - value), `element ${i}`).toBeLessThan(1e-5);
    }
  });

  it("has the same bits whatever range it is read in", () => {
    const { file, constant } = sample(rows, columns, rank, "bf16");
    const { data } = readConstant(constant, file);
    for (let row = 0; row < rows; row++) {
      const part = readRows(constant, row, row + 1, file).data;
      expect([...part]).toEqual([...data.slice(row * columns, (row + 1) * columns)]);
    }
    const flat: Constant = {
      dtype: "f32",
      shape: [rows * columns],
      source: { kind: "reshape", of: constant },
    };
    for (let i = 0; i < rows * columns; i += 3) {
      const end = Math.min(rows * columns, i + 5);
      expect([...readRows(flat, i, end, file).data]).toEqual([...data.slice(i, end)]);
    }
  });
});

it("reads the rows it needs, and no others", () => {
  const [rows, columns, rank] = [64, 32, 2];
  const { file, constant } = sample(rows, columns, rank, "bf16");
  readRows(constant, 10, 13, file);
  const factors = rows * columns * 2;
  expect(file.reads).toEqual([
    { offset: 10 * columns * 2, length: 3 * columns * 2 },
    { offset: factors + 10 * rank * 2, length: 3 * rank * 2 },
    { offset: factors + rows * rank * 2, length: rank * columns * 2 },
  ]);
});

it("is packed in tiles, each of which reads its own rows", () => {
  const [rows, columns] = [300, 8192];
  const { file, constant, wanted } = sample(rows, columns, 1, "bf16");
  const found = new Float32Array(rows * columns);
  let tiles = 0;
  for (const { start, end, row } of rowTiles(constant, 0, rows, file)) {
    for (let r = start; r < end; r++) found.set(row(r), r * columns);
    tiles++;
  }
  expect(tiles).toBeGreaterThan(1);
  const most = Math.max(...file.reads.map(({ length }) => length));
  expect(most).toBeLessThan((rows * columns * 2) / 2);
  expect(found.every((value, i) => Math.abs(value - (wanted[i] ?? 0)) < 1e-5)).toBe(true);
});

it("is stored in the type of the weights it was merged into", () => {
  expect(storedFloat(sample(3, 4, 2, "bf16").constant)).toBe("bf16");
  expect(storedFloat(sample(3, 4, 2, "f32").constant)).toBe("f32");
});

describe("as text", () => {
  const graph = (up: string) => `graph "g" {
  input %x: f32[1, 3]
  const %w: f32[2, 3] = low-rank(f32[2, 3] fill(1), ${up}, f32[1, 3] fill(-2), -3.5e-7)
  %y: f32[1, 2] = linear(%x, %w, _) {"role": null, "activation": "none", "gated": false}
  output %y
}`;

  it("prints and parses", () => {
    const text = graph("f32[2, 1] fill(3)");
    expect(printGraph(parseGraph(text))).toBe(text);
    verifyGraph(parseGraph(text));
  });

  it("is refused where its factors do not fit", () => {
    expect(() => verifyGraph(parseGraph(graph("f32[2, 2] fill(3)")))).toThrow(
      /expected: \[2, 3\], \[2, 1\], \[1, 3\]\n {2}found: {4}\[2, 3\], \[2, 2\], \[1, 3\]/,
    );
  });
});
