/** Bytes of ternary weights: exact values, rows that end inside of a byte, and what does not fit. */
import { describe, expect, it } from "vitest";
import { TernaryBytes, type TernaryWeight } from "../../compiler/onnx-export/tensor-bytes.js";
import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { decodeBytes } from "../../ir/constant/convert.js";
import { roundToBfloat, roundToHalf } from "../../ir/constant/float16.js";
import { ternarizeRow } from "../../ir/ternary/ternarize.js";
import { normals } from "../support/random.js";

const NO_FILES: ByteReader = {
  read() {
    throw new Error("nothing is in files");
  },
};

function inline(dtype: "f32" | "i8", shape: readonly number[], data: Float32Array | Int8Array): Constant {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { dtype, shape, source: { kind: "inline", bytes } };
}

/** A float weight that is ternarized while it is written. */
function ternarized(rows: number, width: number, values: Float32Array): TernaryWeight {
  const of = inline("f32", [rows, width], values);
  return {
    name: "w",
    codes: { dtype: "i8", shape: [rows, width], source: { kind: "ternary-codes", of, method: "exact" } },
    scales: { dtype: "f32", shape: [rows], source: { kind: "ternary-scales", of, method: "exact" } },
  };
}

function given(scale: number): TernaryWeight {
  return {
    name: "w",
    codes: inline("i8", [1, 4], Int8Array.of(1, -1, 0, 1)),
    scales: inline("f32", [1], Float32Array.of(scale)),
  };
}

const joined = (chunks: Iterable<Uint8Array>) => new Uint8Array(Buffer.concat([...chunks]));

describe.each([
  [1, 1],
  [3, 5],
  [7, 64],
  [9, 31],
  // More than one tile of rows.
  [1030, 4099],
])("%i rows of %i", (rows, width) => {
  const random = normals(rows * width);
  const values = Float32Array.from({ length: rows * width }, () => random() + 0.01);
  const codes = new Int8Array(values.length);
  const scales = Float32Array.from({ length: rows }, (_, r) =>
    ternarizeRow(
      values.subarray(r * width, (r + 1) * width),
      "exact",
      codes.subarray(r * width, (r + 1) * width),
    ),
  );
  const weight = ternarized(rows, width, values);

  it.each([
    ["2bit", "i2"],
    ["4bit", "i4"],
  ] as const)("%s codes", (form, dtype) => {
    const writer = new TernaryBytes(NO_FILES);
    const bytes = joined(writer.codes(weight, form));
    expect(bytes.length).toBe(Math.ceil((values.length * (form === "2bit" ? 2 : 4)) / 8));
    const read = decodeBytes(dtype, bytes, values.length);
    const readBytes = Buffer.from(read.buffer, read.byteOffset, read.byteLength);
    expect(readBytes.equals(Buffer.from(codes.buffer))).toBe(true);
    const before = joined(new TernaryBytes(NO_FILES).scales(weight));
    expect(decodeBytes("f32", before, rows)).toEqual(scales);
    expect(joined(writer.scales(weight))).toEqual(before);
  });

  it.each([
    ["f32", (v: number) => v],
    ["f16", roundToHalf],
    ["bf16", roundToBfloat],
  ] as const)("dequantized to %s", (type, round) => {
    const bytes = joined(new TernaryBytes(NO_FILES).dequantized(weight, type));
    const found = decodeBytes(type, bytes, values.length);
    let wrong = 0;
    for (let i = 0; i < values.length; i++) {
      // 0 and −0 are one number.
      if (Number(found[i]) !== round(scales[Math.floor(i / width)] ?? 0) * (codes[i] ?? 0)) wrong++;
    }
    expect(wrong).toBe(0);
  });
});

it.each([
  ["f16", 65536],
  ["f16", 1e-9],
  ["bf16", 3.4e38],
] as const)("refuses a scale that %s cannot hold: %d", (type, scale) => {
  const write = () => joined(new TernaryBytes(NO_FILES).dequantized(given(scale), type));
  expect(write).toThrow(/out of the range of [\s\S]*row 0[\s\S]*--type f32/);
  expect(write).toThrow(expect.objectContaining({ code: "TRITC_E_EXPORT_OVERFLOW" }));
});

it("refuses a weight that is not finite", () => {
  const values = Float32Array.of(1, 2, 3, 4, Number.NaN, 6);
  const write = () => joined(new TernaryBytes(NO_FILES).dequantized(ternarized(2, 3, values), "f32"));
  expect(write).toThrow(expect.objectContaining({ code: "TRITC_E_WEIGHT_NOT_FINITE" }));
  expect(write).toThrow(/NaN in row 1, column 1/);
});
