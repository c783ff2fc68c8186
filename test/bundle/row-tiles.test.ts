import { describe, expect, it } from "vitest";
import { rowTiles } from "../../compiler/pack/row-tiles.js";
import { packRows } from "../../compiler/pack/tensor-rows.js";
import type { Constant, ConstantSource } from "../../ir/constant/constant.js";
import { decodeBytes, encodeBytes } from "../../ir/constant/convert.js";
import { readConstant, readRows } from "../../ir/constant/read.js";
import { readWords, wordType } from "../../ir/constant/words.js";
import type { DType } from "../../ir/dtype.js";
import { tritRowBytes } from "../../ir/ternary/trits.js";
import { randomFloats } from "../support/random.js";

/** Every file holds the same random numbers, at an odd offset. */
const values = randomFloats(11, 97 * 131);
const OFFSET = 3;

function reader(type: DType) {
  const data = encodeBytes(type, values);
  const file = new Uint8Array(OFFSET + data.length).fill(0xff);
  file.set(data, OFFSET);
  return { read: (_: string, offset: number, length: number) => file.subarray(offset, offset + length) };
}

function stored(dtype: DType, ...shape: readonly [number, number]): Constant {
  const length = shape[0] * shape[1] * (dtype === "f32" ? 4 : 2);
  return { dtype, shape, source: { kind: "file", file: "w", offset: OFFSET, length } };
}

function derived(dtype: DType, shape: readonly number[], source: ConstantSource): Constant {
  return { dtype, shape, source };
}

const transpose = (of: Constant) => derived(of.dtype, of.shape.toReversed(), { kind: "transpose", of });
const widen = (of: Constant) => derived("f32", of.shape, { kind: "cast", of });

/** What the file's values are, transposed by the definition. */
function turned(type: DType, rows: number, columns: number): Float32Array {
  const flat = decodeBytes(type, encodeBytes(type, values), values.length);
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    return Number(flat[(i % rows) * columns + Math.floor(i / rows)]);
  });
}

const SIZES = [
  [1, 1],
  [1, 70],
  [31, 5],
  [32, 32],
  [33, 64],
  [97, 131],
] as const;

describe.each(["f16", "bf16"] as const)("weights stored as %s", (type) => {
  it.each(SIZES)("keep their values behind a transpose of %i x %i", (rows, columns) => {
    const expected = turned(type, rows, columns);
    const file = stored(type, rows, columns);
    for (const constant of [transpose(widen(file)), widen(transpose(file))]) {
      expect(wordType(constant)).toBe(type);
      expect(readConstant(constant, reader(type)).data).toEqual(expected);
      // Ranges that begin and end inside of rows.
      for (const [from, to] of [
        [0, 0],
        [1, rows * columns],
        [Math.floor(rows / 2), Math.ceil(rows * columns * 0.8)],
      ] as const) {
        const words = readWords(constant, from, to, reader(type));
        expect(decodeBytes(type, new Uint8Array(words.slice().buffer), to - from)).toEqual(
          expected.subarray(from, to),
        );
      }
    }
  });

  it("keep their values in concatenations, reshapes and row ranges", () => {
    const file = stored(type, 12, 10);
    const whole = readConstant(file, reader(type)).data.subarray(0);
    const joined = derived(type, [24, 10], { kind: "concat", of: [file, file] });
    const part = derived(type, [13, 10], { kind: "rows", of: joined, start: 5 });
    const flat = derived(type, [10, 13], { kind: "reshape", of: part });
    expect(wordType(flat)).toBe(type);
    const twice = Float32Array.from([...whole, ...whole], Number).subarray(50, 180);
    const words = readWords(flat, 0, 130, reader(type));
    expect(decodeBytes(type, new Uint8Array(words.slice().buffer), 130)).toEqual(twice);
    const mixed = derived("f32", [24, 10], { kind: "concat", of: [widen(file), stored("f32", 12, 10)] });
    expect(wordType(mixed)).toBeUndefined();
  });
});

describe.each(["f32", "f16", "bf16"] as const)("tiles of %s rows", (type) => {
  it.each([false, true])("cover every row once, transposed: %s", (isTransposed) => {
    const file = stored(type, 97, 131);
    const constant = widen(isTransposed ? transpose(file) : file);
    const rows = constant.shape[0]!;
    const found: number[][] = [];
    for (const tile of rowTiles(constant, 2, rows, reader(type))) {
      expect(tile.start).toBe(2 + found.length);
      for (let row = tile.start; row < tile.end; row++) found.push([...tile.row(row)]);
    }
    const expected = readRows(constant, 2, rows, reader(type));
    expect(found.flat()).toEqual([...expected.data]);
  });

  it("give the interpreter's codes, whatever the size of the weights", () => {
    const weight = widen(transpose(stored(type, 97, 131)));
    const codes = derived("i8", weight.shape, { kind: "ternary-codes", of: weight, method: "exact" });
    const [n = 0, k = 0] = weight.shape;
    const tensor = { name: "w", id: "w", constant: codes, weight: true, encoding: "trits" } as const;
    const shape = [n, tritRowBytes(k)];
    const pieces = [...packRows({ ...tensor, dtype: "u8", shape }, reader(type), new WeakMap())];
    const bytes = new Uint8Array(Buffer.concat(pieces));
    const of = derived("u8", shape, { kind: "inline", bytes });
    const back = readConstant(derived("i8", weight.shape, { kind: "trits", of }), reader(type));
    expect(back.data).toEqual(readConstant(codes, reader(type)).data);
  });
});

describe("a dense matrix in bfloat16", () => {
  const pack = (data: readonly number[]) => {
    const bytes = encodeBytes("bf16", Float32Array.from(data));
    const file = derived("bf16", [3, 2], { kind: "inline", bytes });
    const constant = transpose(widen(file));
    const tensor = { name: "w", id: "w", constant, weight: true, encoding: "plain" } as const;
    const packed = packRows({ ...tensor, dtype: "bf16", shape: [2, 3] }, reader("f32"), new WeakMap());
    return [...decodeBytes("bf16", new Uint8Array(Buffer.concat([...packed])), 6)];
  };

  it("is stored as it is, large values and negative zeros too", () => {
    expect(pack([1, 2, -3, 2 ** 127, -0, 1.5])).toEqual([1, -3, -0, 2, 2 ** 127, 1.5]);
  });

  it("must be finite", () => {
    expect(() => pack([1, 2, 3, Number.NaN, 5, 6])).toThrow(/NaN in row 1, column 1/);
  });
});
