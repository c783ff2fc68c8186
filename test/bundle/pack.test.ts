import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { storedFloat, type WeightTensor } from "../../compiler/lower/weights.js";
import { packRows } from "../../compiler/pack/tensor-rows.js";
import { layoutWeights } from "../../compiler/pack/weights-file.js";
import { writeWeights } from "../../compiler/pack/write-weights.js";
import type { Constant } from "../../ir/constant/constant.js";
import { decodeBytes } from "../../ir/constant/convert.js";
import { encodeHalf } from "../../ir/constant/float16.js";
import { readConstant } from "../../ir/constant/read.js";
import { parseHeader } from "../../ir/format/safetensors.js";
import { countOf } from "../../ir/tensor.js";
import { packTritRow, tritRowBytes, unpackTritRow } from "../../ir/ternary/trits.js";
import { makeNoise } from "../../runtime/noise.js";

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

function tensor(name: string, constant: Constant, trits = false): WeightTensor {
  const [n = 0, k = 0] = constant.shape;
  return {
    name,
    id: name,
    constant,
    weight: true,
    encoding: trits ? "trits" : "plain",
    dtype: trits ? "u8" : "f32",
    shape: trits ? [n, tritRowBytes(k)] : constant.shape,
  };
}

const packed = (t: WeightTensor) => Buffer.concat([...packRows(t, reader, new WeakMap())]);

describe("trits", () => {
  it.each([1, 2, 4, 5, 6, 10, 63])("pack and unpack rows of %i codes", (k) => {
    const row = Int8Array.from({ length: k }, (_, i) => ((i * 7 + k) % 3) - 1);
    const bytes = new Uint8Array(tritRowBytes(k)).fill(255);
    packTritRow(row, bytes);
    expect(bytes.every((b) => b < 243)).toBe(true);
    const back = new Int8Array(k).fill(77);
    unpackTritRow(bytes, back);
    expect(back).toEqual(row);
  });

  it("refuse a byte that five trits cannot make", () => {
    expect(() => unpackTritRow(Uint8Array.of(243), new Int8Array(5))).toThrow(RangeError);
  });
});

describe("packing", () => {
  const [a, b] = [noise(1, 7, 13), noise(2, 5, 13)];

  it.each([
    ["a weight", codes(a)],
    ["a fused weight", concat(codes(a), codes(b))],
    ["rows of a fused weight", rows(concat(codes(a), codes(b)), 4, 6)],
  ])("stores the codes of %s as the interpreter has them", (_, constant) => {
    const stored = packed(tensor("w", constant, true));
    const [n = 0, k = 0] = constant.shape;
    const u8: Constant = {
      dtype: "u8",
      shape: [n, tritRowBytes(k)],
      source: { kind: "inline", bytes: new Uint8Array(stored) },
    };
    const back = readConstant({ dtype: "i8", shape: [n, k], source: { kind: "trits", of: u8 } }, reader);
    expect(back.data).toEqual(readConstant(constant, reader).data);
  });

  it("gives the same scales whether or not the codes were packed before", () => {
    const fused = tensor("s", concat(scales(a), scales(b)));
    const known = new WeakMap<Constant, Float32Array>();
    for (const part of packRows(tensor("w", concat(codes(a), codes(b)), true), reader, known)) void part;
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
    const fused = tensor("double.0.img.qkv.codes", concat(codes(a), codes(damaged)), true);
    expect(() => packed(fused)).toThrow(/^double\.0\.img\.qkv\.codes: [\s\S]*Infinity in row 9, column 4/);
  });
});

describe("weights.safetensors", () => {
  const folder = mkdtempSync(join(tmpdir(), "tritc-pack-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("is a valid file whose tensors are aligned, in whatever order they come", async () => {
    const tensors = [
      tensor("t", codes(noise(1, 3, 7)), true),
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
