import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { storedFloat, type WeightTensor } from "../../compiler/lower/weights.js";
import { openFloatPacker } from "../../compiler/pack/float-rows.js";
import { packRows } from "../../compiler/pack/tensor-rows.js";
import { layoutWeights } from "../../compiler/pack/weights-file.js";
import { writeWeights } from "../../compiler/pack/write-weights.js";
import type { Constant } from "../../ir/constant/constant.js";
import { decodeBytes } from "../../ir/constant/convert.js";
import { encodeHalf } from "../../ir/constant/float16.js";
import { readConstant } from "../../ir/constant/read.js";
import { parseHeader } from "../../ir/format/safetensors.js";
import { countOf } from "../../ir/tensor.js";
import { codeRowBytes, packCodeRow, type TernaryStorage, unpackCodeRow } from "../../ir/ternary/storage.js";
import { makeNoise } from "../../runtime/noise.js";
import { packTrits, packTwoBit } from "../support/gemm.js";

const reader = {
  read(): Uint8Array {
    throw new Error("all constants are inline");
  },
};

function noise(seed: number, ...shape: readonly number[]): Constant {
  const data = makeNoise(seed, countOf(shape));
  return { dtype: "f32", shape, source: { kind: "inline", bytes: new Uint8Array(data.buffer) } };
}

function codes(of: Constant): Constant {
  return { dtype: "i8", shape: of.shape, source: { kind: "ternary-codes", of, method: "exact" } };
}

function scales(of: Constant): Constant {
  const shape = of.shape.slice(0, 1);
  return { dtype: "f32", shape, source: { kind: "ternary-scales", of, method: "exact" } };
}

function concat(...of: readonly Constant[]): Constant {
  const rows = of.reduce((sum, c) => sum + (c.shape[0] ?? 0), 0);
  const [{ dtype, shape }] = of as [Constant];
  return { dtype, shape: [rows, ...shape.slice(1)], source: { kind: "concat", of } };
}

function rows(of: Constant, start: number, count: number): Constant {
  return { dtype: of.dtype, shape: [count, ...of.shape.slice(1)], source: { kind: "rows", of, start } };
}

function tensor(name: string, constant: Constant, storage?: TernaryStorage): WeightTensor {
  const [n = 0, k = 0] = constant.shape;
  return {
    name,
    id: name,
    constant,
    weight: true,
    encoding: storage ?? "plain",
    dtype: storage === undefined ? "f32" : "u8",
    shape: storage === undefined ? constant.shape : [n, codeRowBytes(storage, k)],
  };
}

const packed = (t: WeightTensor) => Buffer.concat([...packRows(t, reader, new WeakMap())]);

describe.each(["trits", "2bit"] as const)("%s", (storage) => {
  it.each([1, 2, 3, 4, 5, 6, 10, 63])("pack and unpack rows of %i codes", (k) => {
    const row = Int8Array.from({ length: k }, (_, i) => ((i * 7 + k) % 3) - 1);
    const bytes = new Uint8Array(codeRowBytes(storage, k)).fill(255);
    packCodeRow(storage, row, bytes);
    expect(bytes).toEqual(storage === "trits" ? packTrits(row, 1, k) : packTwoBit(row, 1, k));
    const back = new Int8Array(k).fill(77);
    unpackCodeRow(storage, bytes, back);
    expect(back).toEqual(row);
  });

  it("refuse bytes that no codes make", () => {
    const bad = storage === "trits" ? [243, 255] : [0b11, 0b1101_0101, 0b0101_1110];
    for (const byte of bad) {
      expect(() => unpackCodeRow(storage, Uint8Array.of(byte), new Int8Array(3))).toThrow(RangeError);
    }
  });
});

describe("packing", () => {
  const [a, b] = [noise(1, 7, 13), noise(2, 5, 13)];

  it.each([
    ["a weight", codes(a)],
    ["a fused weight", concat(codes(a), codes(b))],
    ["rows of a fused weight", rows(concat(codes(a), codes(b)), 4, 6)],
  ])("stores the codes of %s as the interpreter has them", (_, constant) => {
    for (const [storage, kind] of [
      ["trits", "trits"],
      ["2bit", "two-bit"],
    ] as const) {
      const stored = packed(tensor("w", constant, storage));
      const [n = 0, k = 0] = constant.shape;
      const of: Constant = {
        dtype: "u8",
        shape: [n, codeRowBytes(storage, k)],
        source: { kind: "inline", bytes: new Uint8Array(stored) },
      };
      const back = readConstant({ dtype: "i8", shape: [n, k], source: { kind, of } }, reader);
      expect(back.data).toEqual(readConstant(constant, reader).data);
    }
  });

  it.each([null, 32, 64] as const)("is the same in WebAssembly, groups of %s inputs", async (group) => {
    const packFloats = await openFloatPacker();
    // A row of zeros, and groups that are ternary already.
    const values = makeNoise(4, 9 * 131).map((value, i) =>
      Math.floor(i / 131) === 2 ? 0 : Math.floor(i / 64) % 3 === 0 ? Math.sign(value) / 8 : value,
    );
    const weight: Constant = {
      dtype: "f32",
      shape: [9, 131],
      source: { kind: "inline", bytes: new Uint8Array(values.buffer) },
    };
    for (const method of ["exact", "absmean"] as const) {
      const fitting = { of: weight, method, ...(group === null ? {} : { group }) };
      const constant: Constant = { ...weight, dtype: "i8", source: { kind: "ternary-codes", ...fitting } };
      for (const storage of ["trits", "2bit"] as const) {
        const made = [undefined, packFloats].map((pack) => {
          const known = new WeakMap<Constant, Float32Array>();
          const pieces = [...packRows(tensor("w", rows(constant, 1, 8), storage), reader, known, pack)];
          return [Buffer.concat(pieces), known.get(weight)];
        });
        expect(made[1]).toEqual(made[0]);
      }
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses %s in WebAssembly too", async (bad) => {
    const packFloats = await openFloatPacker();
    const values = makeNoise(4, 5 * 13);
    values[2 * 13 + 7] = bad;
    const weight: Constant = {
      dtype: "f32",
      shape: [5, 13],
      source: { kind: "inline", bytes: new Uint8Array(values.buffer) },
    };
    const pack = () => [...packRows(tensor("w", codes(weight), "trits"), reader, new WeakMap(), packFloats)];
    expect(pack).toThrow(new RegExp(`w: a weight is not a finite number[^]*${bad} in row 2, column 7`));
  });

  it("gives the same scales whether or not the codes were packed before", () => {
    const fused = tensor("s", concat(scales(a), scales(b)));
    const known = new WeakMap<Constant, Float32Array>();
    for (const part of packRows(tensor("w", concat(codes(a), codes(b)), "trits"), reader, known)) void part;
    const after = Buffer.concat([...packRows(fused, reader, known)]);
    expect(after).toEqual(packed(fused));
    expect(Float32Array.from(decodeBytes("f32", new Uint8Array(after), 12), Number)).toEqual(
      Float32Array.from(readConstant(fused.constant, reader).data, Number),
    );
  });

  it("keeps half floats behind casts and layout changes as they are", () => {
    const half = encodeHalf(makeNoise(3, 6));
    const file: Constant = {
      dtype: "f16",
      shape: [2, 3],
      source: { kind: "inline", bytes: new Uint8Array(half.buffer) },
    };
    const cast: Constant = { dtype: "f32", shape: [2, 3], source: { kind: "cast", of: file } };
    const transposed: Constant = { dtype: "f32", shape: [3, 2], source: { kind: "transpose", of: cast } };
    expect(storedFloat(transposed)).toBe("f16");
    expect(storedFloat(concat(cast, noise(4, 2, 3)))).toBe("f32");
    const stored = packed({ ...tensor("w", transposed), dtype: "f16" });
    const bits = new Uint16Array(new Uint8Array(stored).buffer);
    expect([...bits]).toEqual([0, 3, 1, 4, 2, 5].map((i) => half[i]));
  });

  it("names the row of a weight that is not finite, in its own tensor", () => {
    const bad = Float32Array.from(makeNoise(5, 5 * 13));
    bad[2 * 13 + 4] = Number.POSITIVE_INFINITY;
    const damaged: Constant = { ...b, source: { kind: "inline", bytes: new Uint8Array(bad.buffer) } };
    const fused = tensor("double.0.img.qkv.codes", concat(codes(a), codes(damaged)), "trits");
    expect(() => packed(fused)).toThrow(/^double\.0\.img\.qkv\.codes: [\s\S]*Infinity in row 9, column 4/);
  });
});

describe("weights.safetensors", () => {
  const folder = mkdtempSync(join(tmpdir(), "tritc-pack-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("is a valid file whose tensors are aligned, in whatever order they come", async () => {
    const tensors = [
      tensor("t", codes(noise(1, 3, 7)), "2bit"),
      tensor("b", noise(2, 5)),
      { ...tensor("h", noise(3, 3, 3)), dtype: "f16" as const },
      tensor("a", noise(4, 2, 2)),
    ];
    const [one, two] = [join(folder, "one"), join(folder, "two")];
    await writeWeights(one, layoutWeights(tensors), { reader });
    await writeWeights(two, layoutWeights(tensors.toReversed()), { reader });
    const bytes = new Uint8Array(readFileSync(one));
    expect(new Uint8Array(readFileSync(two))).toEqual(bytes);
    const { entries, dataStart } = parseHeader(bytes, bytes.length);
    expect([...entries.keys()]).toEqual(["a", "b", "h", "t"]);
    expect(dataStart % 16).toBe(0);
    for (const { name, dtype, shape, offset, length } of entries.values()) {
      expect(offset % (dtype === "f32" ? 4 : dtype === "f16" ? 2 : 1)).toBe(0);
      const source = tensors.find((t) => t.name === name);
      expect(shape).toEqual(source?.shape);
      if (source !== undefined) {
        expect(Buffer.from(bytes.subarray(offset, offset + length))).toEqual(packed(source));
      }
    }
  });
});
