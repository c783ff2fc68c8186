import { describe, expect, it } from "vitest";
import type { ByteReader, Constant, ConstantSource, TernaryMethod } from "../../ir/constant/constant.js";
import {
  bfloatBits,
  decodeBfloat,
  decodeHalf,
  halfBits,
  roundToBfloat,
  roundToHalf,
} from "../../ir/constant/float16.js";
import { constantReader, readConstant, readRows } from "../../ir/constant/read.js";
import { byteLength, type DType } from "../../ir/dtype.js";
import { countOf } from "../../ir/tensor.js";
import { codeRowBytes, packCodeRow } from "../../ir/ternary/storage.js";
import { f32, random } from "./onnx-case.js";

/** Files of pseudo-random bytes; remembers what was read. */
function memory(
  files: Readonly<Record<string, Uint8Array>>,
): ByteReader & { readonly ranges: [number, number][] } {
  const ranges: [number, number][] = [];
  return {
    ranges,
    read(file, offset, length) {
      ranges.push([offset, length]);
      return files[file]!.subarray(offset, offset + length);
    },
  };
}

const NONE = memory({});

function inline(dtype: DType, shape: readonly number[], bytes: Uint8Array): Constant {
  return { dtype, shape, source: { kind: "inline", bytes } };
}

function floatsConstant(shape: readonly number[], values: readonly number[]): Constant {
  return inline("f32", shape, new Uint8Array(Float32Array.from(values).buffer));
}

function derived(dtype: DType, shape: readonly number[], source: ConstantSource): Constant {
  return { dtype, shape, source };
}

function randomBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

/** Every row range of the constant equals the same rows of the whole. */
function expectRowsAgree(constant: Constant, reader: ByteReader = NONE): void {
  const whole = readConstant(constant, reader);
  expect(whole.data.length).toBe(countOf(constant.shape));
  const rows = constant.shape[0]!;
  const width = whole.data.length / rows;
  for (let start = 0; start <= rows; start++) {
    for (const end of [start, start + 1, rows]) {
      if (end > rows || end < start) continue;
      const part = readRows(constant, start, end, reader);
      expect(part.shape).toEqual([end - start, ...constant.shape.slice(1)]);
      expect(part.data).toEqual(whole.data.slice(start * width, end * width));
    }
  }
}

describe("16-bit floats", () => {
  it("every half survives decoding and encoding", () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const values = decodeHalf(bits);
    for (let i = 0; i < 65536; i++) {
      if (Number.isNaN(values[i])) continue;
      if (halfBits(values[i]!) !== i) throw new Error(`bits ${i} come back as ${halfBits(values[i]!)}`);
    }
  });
  it("every bfloat survives decoding and encoding", () => {
    const values = decodeBfloat(Uint16Array.from({ length: 65536 }, (_, i) => i));
    for (let i = 0; i < 65536; i++) {
      if (Number.isNaN(values[i])) continue;
      if (bfloatBits(values[i]!) !== i) throw new Error(`bits ${i} come back as ${bfloatBits(values[i]!)}`);
    }
  });
  it("rounds to nearest even, once", () => {
    expect(roundToHalf(1 + 2 ** -11)).toBe(1);
    expect(roundToHalf(1 + 3 * 2 ** -11)).toBe(1 + 2 ** -9);
    expect(roundToHalf(1 + 2 ** -11 + 2 ** -40)).toBe(1 + 2 ** -10);
    expect(roundToHalf(65519.9)).toBe(65504);
    expect(roundToHalf(-65520)).toBe(-Infinity);
    expect(roundToHalf(2 ** -25)).toBe(0);
    expect(roundToHalf(1.5 * 2 ** -25)).toBe(2 ** -24);
    expect(Object.is(roundToHalf(-(2 ** -30)), -0)).toBe(true);
    expect(roundToBfloat(1 + 2 ** -8)).toBe(1);
    expect(roundToBfloat(1 + 3 * 2 ** -8)).toBe(1 + 2 ** -6);
    expect(roundToBfloat(3.4e38)).toBe(Infinity);
  });
});

describe("stored constants", () => {
  const shape = [3, 5];
  it.each([
    "f64",
    "f32",
    "i64",
    "u64",
    "i32",
    "u32",
    "i16",
    "u16",
    "i8",
    "u8",
    "i4",
    "u4",
    "i2",
    "u2",
  ] as const)("%s", (dtype) => {
    const bytes = randomBytes(byteLength(dtype, 15) + 3);
    // Unaligned on purpose.
    const source = bytes.subarray(3);
    if (dtype === "f64" || dtype === "f32") for (let i = 0; i < source.length; i++) source[i]! &= 0x3f;
    expectRowsAgree(inline(dtype, shape, source));
    const reader = memory({ w: bytes });
    const file = derived(dtype, shape, { kind: "file", file: "w", offset: 3, length: source.length });
    expectRowsAgree(file, reader);
    expect(readConstant(file, reader).data).toEqual(readConstant(inline(dtype, shape, source), NONE).data);
    if (dtype === "i16")
      expect(readConstant(file, reader).data[1]).toBe(((source[2]! | (source[3]! << 8)) << 16) >> 16);
  });
  it("sub-byte types are packed low bits first", () => {
    const bytes = Uint8Array.of(0x8f, 0x73);
    expect([...readConstant(inline("i4", [4], bytes), NONE).data]).toEqual([-1, -8, 3, 7]);
    expect([...readConstant(inline("u4", [4], bytes), NONE).data]).toEqual([15, 8, 3, 7]);
    expect([...readConstant(inline("i2", [8], bytes), NONE).data]).toEqual([-1, -1, 0, -2, -1, 0, -1, 1]);
    expect([...readConstant(inline("u2", [8], bytes), NONE).data]).toEqual([3, 3, 0, 2, 3, 0, 3, 1]);
  });
  it("reads only the rows asked for", () => {
    const reader = memory({ w: randomBytes(4000) });
    const file = derived("f32", [100, 10], { kind: "file", file: "w", offset: 0, length: 4000 });
    readRows(file, 7, 9, reader);
    expect(reader.ranges).toEqual([[280, 80]]);
  });
  it("names the file that is too short", () => {
    const file = derived("f32", [100], { kind: "file", file: "weights.bin", offset: 0, length: 8 });
    expect(() => readConstant(file, NONE)).toThrow(/TRITC|weights\.bin/);
  });
});

describe("recipes", () => {
  const base = floatsConstant([6, 4], [...f32(24).data].map(Number));
  const values = [...readConstant(base, NONE).data].map(Number);

  it("dims and fill", () => {
    const dims = derived("i64", [3], { kind: "dims", dims: [2, "n", "2*n+1"] });
    expect([...readConstant(dims, NONE, { n: 5 }).data]).toEqual([2n, 5n, 11n]);
    expectRowsAgree(derived("f32", [3, 2], { kind: "fill", value: 1.5 }));
    expect([...readConstant(derived("i64", [2], { kind: "fill", value: -3 }), NONE).data]).toEqual([
      -3n,
      -3n,
    ]);
  });
  it("reshape, rows and concat", () => {
    const reshaped = derived("f32", [3, 8], { kind: "reshape", of: base });
    expectRowsAgree(reshaped);
    const rows = derived("f32", [2, 4], { kind: "rows", of: base, start: 3 });
    expectRowsAgree(rows);
    expect([...readConstant(rows, NONE).data]).toEqual(values.slice(12, 20));
    const joined = derived("f32", [8, 4], { kind: "concat", of: [rows, base] });
    expectRowsAgree(joined);
    expect([...readConstant(joined, NONE).data]).toEqual([...values.slice(12, 20), ...values]);
  });
  it("cast rounds", () => {
    const half = derived("f16", [6, 4], { kind: "cast", of: base });
    expect([...readConstant(half, NONE).data]).toEqual(values.map(roundToHalf));
    const brain = derived("bf16", [6, 4], { kind: "cast", of: base });
    expect([...readConstant(brain, NONE).data]).toEqual(values.map(roundToBfloat));
    expectRowsAgree(brain);
    expect(readConstant(derived("i32", [6, 4], { kind: "cast", of: base }), NONE).data).toEqual(
      Int32Array.from(values, Math.trunc),
    );
  });
  it.each([
    [6, 4],
    [3, 40],
    [40, 3],
  ])("transpose %i x %i", (r, c) => {
    const of = floatsConstant(
      [r, c],
      Array.from({ length: r * c }, (_, i) => i + 1),
    );
    const t = derived("f32", [c, r], { kind: "transpose", of });
    expectRowsAgree(t);
    expect(readRows(t, 1, 2, NONE).data).toEqual(Float32Array.from({ length: r }, (_, i) => i * c + 2));
  });
  it("dequantize per tensor, per axis and blocked", () => {
    const codes = inline(
      "i8",
      [3, 4],
      new Uint8Array(Int8Array.from([1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12]).buffer),
    );
    const source = (scale: Constant, zeroPoint: Constant | null, axis: number, blockSize: number): Constant =>
      derived("f32", [3, 4], { kind: "dequantize", codes, scale, zeroPoint, axis, blockSize });
    const zero = inline("i8", [], Uint8Array.of(2));
    const one = source(floatsConstant([], [0.5]), zero, 1, 0);
    expectRowsAgree(one);
    expect([...readConstant(one, NONE).data].slice(0, 4)).toEqual([-0.5, -2, 0.5, -3]);
    const rows = source(floatsConstant([3], [1, 2, 4]), null, 0, 0);
    expectRowsAgree(rows);
    expect(readRows(rows, 2, 3, NONE).data).toEqual(Float32Array.of(36, -40, 44, -48));
    const columns = source(floatsConstant([4], [1, 2, 4, 8]), null, -1, 0);
    expect(readRows(columns, 0, 1, NONE).data).toEqual(Float32Array.of(1, -4, 12, -32));
    const blocked = source(floatsConstant([3, 2], [1, 2, 3, 4, 5, 6]), null, 1, 2);
    expectRowsAgree(blocked);
    expect(readRows(blocked, 1, 2, NONE).data).toEqual(Float32Array.of(15, -18, 28, -32));
  });
  it("ternary codes and scales come from each row alone", () => {
    const codes = derived("i8", [6, 4], { kind: "ternary-codes", of: base, method: "exact" });
    const scales = derived("f32", [6], { kind: "ternary-scales", of: base, method: "exact" });
    expectRowsAgree(codes);
    expectRowsAgree(scales);
    const exact = floatsConstant([2, 3], [0.5, 0, -0.5, 0.25, 0.25, 0]);
    expect([
      ...readConstant(derived("i8", [2, 3], { kind: "ternary-codes", of: exact, method: "absmean" }), NONE)
        .data,
    ]).toEqual([1, 0, -1, 1, 1, 0]);
    expect([
      ...readConstant(derived("f32", [2], { kind: "ternary-scales", of: exact, method: "absmean" }), NONE)
        .data,
    ]).toEqual([0.5, 0.25]);
  });
  it("a weight is read once for its codes and then its scales", () => {
    const reader = memory({ w: new Uint8Array(Float32Array.from(values).buffer) });
    const weight = derived("f32", [6, 4], { kind: "file", file: "w", offset: 0, length: 96 });
    const codes = (of: Constant) => derived("i8", [6, 4], { kind: "ternary-codes", of, method: "exact" });
    const scales = (of: Constant, method: TernaryMethod) =>
      derived("f32", [6], { kind: "ternary-scales", of, method });
    const read = constantReader(reader, {});
    expect(read(codes(weight)).data).toEqual(readConstant(codes(base), NONE).data);
    expect(read(scales(weight, "exact")).data).toEqual(readConstant(scales(base, "exact"), NONE).data);
    expect(reader.ranges).toHaveLength(1);
    expect(read(scales(weight, "absmean")).data).toEqual(readConstant(scales(base, "absmean"), NONE).data);
  });
  it("a transposed weight's scales are read once", () => {
    const reader = memory({ w: randomBytes(160), s: new Uint8Array(new Float32Array(4).fill(2).buffer) });
    const file = (dtype: DType, shape: number[], name: string, length: number) =>
      derived(dtype, shape, { kind: "file", file: name, offset: 0, length });
    const codes = file("i8", [40, 4], "w", 160);
    const scale = file("f32", [4], "s", 16);
    const source = { kind: "dequantize", codes, scale, zeroPoint: null, axis: 1, blockSize: 0 } as const;
    const of = derived("f32", [40, 4], source);
    readConstant(derived("f32", [4, 40], { kind: "transpose", of }), reader);
    expect(reader.ranges.filter(([offset, length]) => offset === 0 && length === 16)).toHaveLength(1);
  });
  it.each([
    ["trits", "trits"],
    ["two-bit", "2bit"],
  ] as const)("%s", (kind, storage) => {
    const rows = Array.from({ length: 4 }, () =>
      Int8Array.from({ length: 7 }, () => Math.floor(random() * 3) - 1),
    );
    const width = codeRowBytes(storage, 7);
    const bytes = new Uint8Array(4 * width);
    rows.forEach((row, r) => {
      packCodeRow(storage, row, bytes.subarray(r * width, (r + 1) * width));
    });
    const codes = derived("i8", [4, 7], { kind, of: inline("u8", [4, width], bytes) });
    expectRowsAgree(codes);
    expect([...readConstant(codes, NONE).data]).toEqual(rows.flatMap((row) => [...row]));
  });
});
