/** Weights that lie in files as rows of codes, packed in threads and looked through for groups, against their values one by one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { losslessGroup } from "../../compiler/analysis/lossless-group.js";
import { fileReader } from "../../compiler/file-reader.js";
import type { WeightTensor } from "../../compiler/lower/weights.js";
import { segmentsOf } from "../../compiler/pack/segments.js";
import { type KnownScales, packRows } from "../../compiler/pack/tensor-rows.js";
import { layoutWeights } from "../../compiler/pack/weights-file.js";
import { writeWeights } from "../../compiler/pack/write-weights.js";
import type { Constant, ConstantSource } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { readConstant } from "../../ir/constant/read.js";
import type { DType } from "../../ir/dtype.js";
import { GROUP_SIZES, type GroupSize, scalesShape } from "../../ir/ternary/groups.js";
import { codeRowBytes, type TernaryStorage } from "../../ir/ternary/storage.js";
import { randomFloats, randomInts } from "../support/random.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-coded-rows-"));
const reader = fileReader();
afterAll(() => {
  reader.close();
  rmSync(folder, { recursive: true });
});

const constant = (dtype: DType, shape: readonly number[], source: ConstantSource): Constant => ({
  dtype,
  shape,
  source,
});
let files = 0;
/** In a file, behind some bytes of something else. */
function stored(dtype: DType, shape: readonly number[], bytes: Uint8Array): Constant {
  const file = join(folder, `${files++}.bin`);
  writeFileSync(file, Buffer.concat([Buffer.alloc(7, 0xa5), bytes]));
  return constant(dtype, shape, { kind: "file", file, offset: 7, length: bytes.length });
}

interface Shape {
  readonly rows: number;
  readonly width: number;
  readonly group: number;
}
type Float = "f16" | "bf16" | "f32";

/** Codes of MLX: any of them, or 0 to 2 with biases that make them ternary. */
function affine(
  type: Float,
  bits: number,
  { rows, width, group }: Shape,
  ternary: boolean,
  seed = 1,
): Constant {
  const perByte = 8 / bits;
  const codes = randomInts(seed, rows * width, 0, ternary ? 2 : 2 ** bits - 1);
  const bytes = new Uint8Array((rows * width) / perByte);
  for (const [i, code] of codes.entries()) bytes[Math.floor(i / perByte)]! |= code << (bits * (i % perByte));
  const count = (rows * width) / group;
  // Of either sign, and some 0.
  const scales = randomFloats(seed + 1, count).map((v, i) => (i % 11 === 3 ? 0 : v));
  const biases = ternary ? scales.map((v) => -v) : randomFloats(seed + 2, count);
  const shape = [rows, width / group];
  return constant(type, [rows, width], {
    kind: "affine",
    bits,
    codes: stored("u8", [rows, width / perByte], bytes),
    scales: stored(type, shape, encodeBytes(type, scales)),
    biases: stored(type, shape, encodeBytes(type, biases)),
  });
}

/** Codes of DequantizeLinear, a scale for each row (null) or for each block of it. */
function dequantized(
  type: Float,
  codeType: "i4" | "i2" | "u4",
  { rows, width, group }: Omit<Shape, "group"> & { readonly group: number | null },
  [low, high]: readonly [number, number],
  seed = 5,
): Constant {
  const bits = codeType === "i2" ? 2 : 4;
  const perByte = 8 / bits;
  const codes = randomInts(seed, rows * width, low, high);
  const bytes = new Uint8Array((rows * width) / perByte);
  for (const [i, code] of codes.entries())
    bytes[Math.floor(i / perByte)]! |= (code & (2 ** bits - 1)) << (bits * (i % perByte));
  const shape = group === null ? [rows] : [rows, Math.ceil(width / group)];
  const scales = encodeBytes(
    type,
    randomFloats(
      seed + 1,
      shape.reduce((a, b) => a * b),
    ),
  );
  return constant(type, [rows, width], {
    kind: "dequantize",
    codes: stored(codeType, [rows, width], bytes),
    scale:
      seed % 2 === 0 ? stored(type, shape, scales) : constant(type, shape, { kind: "inline", bytes: scales }),
    zeroPoint: null,
    axis: group === null ? 0 : 1,
    blockSize: group ?? 0,
  });
}

const wide = (of: Constant) => (of.dtype === "f32" ? of : constant("f32", of.shape, { kind: "cast", of }));
const part = (of: Constant, start: number, count: number) =>
  constant(of.dtype, [count, of.shape[1] ?? 0], { kind: "rows", of, start });
const codesOf = (of: Constant, group?: GroupSize) =>
  constant("i8", of.shape, { kind: "ternary-codes", of, method: "exact", ...(group && { group }) });
const scalesOf = (of: Constant, group?: GroupSize) =>
  constant("f32", scalesShape(of.shape, group ?? null), {
    kind: "ternary-scales",
    of,
    method: "exact",
    ...(group && { group }),
  });
function tensor(name: string, of: Constant, encoding: TernaryStorage | "plain"): WeightTensor {
  const shape =
    encoding === "plain" ? of.shape : [of.shape[0] ?? 0, codeRowBytes(encoding, of.shape[1] ?? 0)];
  const dtype = encoding !== "plain" ? "u8" : of.dtype === "f16" || of.dtype === "bf16" ? of.dtype : "f32";
  return { name, id: name, constant: of, weight: true, encoding, dtype, shape };
}

const SIZE = { rows: 70, width: 320, group: 64 };
const WEIGHTS: readonly (readonly [string, Constant])[] = [
  ["MLX, 2 bits, f16", affine("f16", 2, SIZE, false)],
  ["MLX, 2 bits, bf16", affine("bf16", 2, SIZE, false, 8)],
  ["MLX, 2 bits, f32", affine("f32", 2, SIZE, false, 9)],
  ["MLX, 4 bits, f16", affine("f16", 4, SIZE, false, 10)],
  ["MLX, a bit, bf16", affine("bf16", 1, SIZE, false, 11)],
  ["MLX, ternary, f16", affine("f16", 2, SIZE, true, 12)],
  ["ONNX, i4 by row", dequantized("f32", "i4", { ...SIZE, group: null }, [-8, 7], 20)],
  ["ONNX, i4 by block, scales in memory", dequantized("f32", "i4", SIZE, [-1, 1], 21)],
  ["ONNX, i2 by block that ends a row early", dequantized("f16", "i2", { ...SIZE, group: 128 }, [-2, 1], 22)],
  ["ONNX, u4 in bf16", dequantized("bf16", "u4", SIZE, [0, 15], 24)],
];

describe.each(WEIGHTS)("%s", (_, weight) => {
  const value = wide(weight);
  const again = { ...value };
  const tensors = [
    tensor("codes", codesOf(value), "trits"),
    tensor("scales", scalesOf(value), "plain"),
    tensor("groups", codesOf(again, 64), "2bit"),
    tensor("groups.scales", scalesOf(again, 64), "plain"),
    tensor("cut", codesOf(part(part(value, 9, 50), 4, 31)), "trits"),
    tensor("plain", weight, "plain"),
  ];

  it.each([0, 2])("is packed alike by %i threads", async (threads) => {
    for (const of of tensors.filter(({ name }) => !name.endsWith("scales")))
      expect(segmentsOf(of)).toHaveLength(1);
    const path = join(folder, "weights.safetensors");
    const layout = layoutWeights(tensors);
    await writeWeights(path, layout, { reader, threads });
    const bytes = readFileSync(path);
    const known: KnownScales = new WeakMap();
    for (const { tensor: of, offset } of layout.tensors) {
      const wanted = Buffer.concat([...packRows(of, reader, known)]);
      expect(bytes.subarray(offset, offset + wanted.length).equals(wanted), of.name).toBe(true);
    }
  });

  it("holds the groups that its values hold", () => {
    const { data } = readConstant(weight, reader);
    const bytes = encodeBytes("f32", Float32Array.from(data, Number));
    const values = constant("f32", weight.shape, { kind: "inline", bytes });
    for (const sizes of [[null, ...GROUP_SIZES.toReversed()], [64], [32], [128, 64]] as const)
      for (const rows of [1, SIZE.rows])
        expect(losslessGroup(value, reader, sizes, rows)).toEqual(losslessGroup(values, reader, sizes, rows));
  });
});

it("groups of codes may make larger ones, up to a row", () => {
  const ALL = [null, ...GROUP_SIZES.toReversed()];
  const one = affine("f16", 2, { ...SIZE, width: 1024, group: 32 }, true, 30);
  const { source } = one;
  if (source.kind !== "affine") throw new Error("not affine");
  for (const same of [32, 64, 128, 256, 1024]) {
    const count = (SIZE.rows * 1024) / 32;
    const scales = Float32Array.from(
      { length: count },
      (_, i) => 0.25 + 2 ** -10 * Math.floor((32 * i) / same),
    );
    const shape = [SIZE.rows, 32];
    const factors = {
      scales: encodeBytes("f16", scales),
      biases: encodeBytes(
        "f16",
        scales.map((v) => -v),
      ),
    };
    const weight = constant("f16", one.shape, {
      ...source,
      scales: stored("f16", shape, factors.scales),
      biases: stored("f16", shape, factors.biases),
    });
    const wanted = { group: same === 1024 ? null : same, scales: "f16" };
    expect(losslessGroup(weight, reader, ALL)).toEqual(wanted);
  }
});

it("what is no number is refused, naming its row", async () => {
  const weight = affine("f16", 2, SIZE, true, 40);
  if (weight.source.kind !== "affine" || weight.source.scales.source.kind !== "file")
    throw new Error("not affine");
  const { file, offset } = weight.source.scales.source;
  const bytes = readFileSync(file);
  bytes.writeUInt16LE(0x7c00, offset + 2 * (33 * 5 + 2));
  writeFileSync(file, bytes);
  const tensors = [tensor("spoiled", codesOf(wide(weight)), "trits")];
  const path = join(folder, "spoiled.safetensors");
  await expect(writeWeights(path, layoutWeights(tensors), { reader, threads: 2 })).rejects.toMatchObject({
    code: "TRITC_E_WEIGHT_NOT_FINITE",
    message: expect.stringMatching(/spoiled[\s\S]*33/),
  });
});
