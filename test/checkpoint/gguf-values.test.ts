/** Every kind of tensor that is read from GGUF files gives the values it stands for, to the bit. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { ggufTensors } from "../../compiler/checkpoint/gguf/tensors.js";
import { fileReader } from "../../compiler/file-reader.js";
import { roundToHalf } from "../../ir/constant/float16.js";
import { readConstant, readRows } from "../../ir/constant/read.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import { recipeProblem } from "../../ir/graph/verify-recipe.js";
import { type GgufParts, ggufFile } from "../support/gguf-file.js";
import { modelFiles } from "../support/model-files.js";
import { dice } from "../support/mutate.js";
import { TERNARY_BLOCKS, type TernaryFormat, ternaryRows } from "../support/ternary-blocks.js";

const MODELS = fileURLToPath(new URL("models/", import.meta.url));
const { root } = modelFiles();
const reader = fileReader();
afterAll(() => reader.close());
let count = 0;

function saved(parts: GgufParts): string {
  const file = join(root, `${count++}.gguf`);
  writeFileSync(file, ggufFile(parts));
  return file;
}

describe("a file of ggml's own writer", () => {
  const { constants } = ggufTensors(join(MODELS, "kinds.gguf"));
  const expected = parseSafetensors(readFileSync(join(MODELS, "kinds.safetensors")));

  it("has the tensors that went in", () => {
    expect([...constants.keys()].sort()).toEqual([...expected.keys()].sort());
  });

  it.each([...expected.keys()])("%s", (name) => {
    const constant = constants.get(name)!;
    const { shape, data } = expected.get(name)!;
    expect(constant.shape).toEqual(shape);
    expect(readConstant(constant, reader).data).toEqual(data);
    const width = data.length / shape[0]!;
    const rows = readRows(constant, 1, 2, reader);
    expect(rows.data).toEqual(data.slice(width, 2 * width));
  });
});

describe.each(Object.keys(TERNARY_BLOCKS) as TernaryFormat[])("%s", (format) => {
  const { kind } = TERNARY_BLOCKS[format];
  const roll = dice(5);
  const shape = [3, 512] as const;
  const scale = () => roundToHalf((roll(2000) - 1000) / 700 + 0.0001);
  const { bytes, values } = ternaryRows(format, shape, () => roll(3), scale);

  it("keeps codes and scales, in any range of rows", () => {
    const file = saved({ tensors: [{ name: "w", kind, shape, bytes }] });
    const constant = ggufTensors(file).constants.get("w")!;
    expect(constant).toMatchObject({ dtype: "f16", shape });
    expect(readConstant(constant, reader).data).toEqual(values);
    for (const [start, end] of [
      [0, 1],
      [1, 3],
      [2, 2],
    ] as const) {
      expect(readRows(constant, start, end, reader).data).toEqual(values.slice(start * 512, end * 512));
    }
  });

  it("is read where a part of a block is asked for", () => {
    const file = saved({ tensors: [{ name: "w", kind, shape, bytes }] });
    const of = ggufTensors(file).constants.get("w")!;
    const flat = { ...of, shape: [1536], source: { kind: "reshape", of } } as const;
    expect(readRows(flat, 77, 701, reader).data).toEqual(values.slice(77, 701));
  });
});

it("rows of blocks have the bytes that their width takes", () => {
  const of = { dtype: "u8", shape: [2, 33], source: { kind: "fill", value: 0 } } as const;
  const found = recipeProblem({
    dtype: "f16",
    shape: [2, 128],
    source: { kind: "blocks", format: "PQ2_0", of },
  });
  expect(found).toEqual({ expected: "[2, 34]", found: "[2, 33]" });
});

it("the fourth code of two bits is twice the scale", () => {
  const { bytes, values } = ternaryRows(
    "PQ2_0",
    [1, 128],
    () => 3,
    () => 0.75,
  );
  const file = saved({ tensors: [{ name: "w", kind: 142, shape: [1, 128], bytes }] });
  expect(readConstant(ggufTensors(file).constants.get("w")!, reader).data).toEqual(values);
  expect(values[0]).toBe(1.5);
});

describe("Q2_0 of either size of blocks", () => {
  const roll = dice(9);
  const shape = [3, 512] as const;
  const rows = {
    Q2_0: ternaryRows(
      "Q2_0",
      shape,
      () => roll(3),
      () => 0.5,
    ),
    PQ2_0: ternaryRows(
      "PQ2_0",
      shape,
      () => roll(3),
      () => 0.25,
    ),
  };
  const tail = { name: "z", kind: 0, shape: [2], bytes: new Uint8Array(8) };

  it.each(["Q2_0", "PQ2_0"] as const)("%s is told by the room of the data", (form) => {
    const tensor = { name: "w", kind: 42, shape, bytes: rows[form].bytes };
    for (const parts of [
      { tensors: [tensor] },
      { tensors: [tensor], padded: false },
      { tensors: [tensor, tail] },
    ]) {
      const constant = ggufTensors(saved(parts)).constants.get("w")!;
      expect(constant.source).toMatchObject({ kind: "blocks", format: form });
      expect(readConstant(constant, reader).data).toEqual(rows[form].values);
    }
  });

  it("a small tensor follows the others", () => {
    const small = ternaryRows(
      "PQ2_0",
      [1, 128],
      () => 2,
      () => 1,
    );
    const tensors = [
      { name: "small", kind: 42, shape: [1, 128], bytes: small.bytes },
      { name: "w", kind: 42, shape, bytes: rows.PQ2_0.bytes },
    ];
    const constant = ggufTensors(saved({ tensors })).constants.get("small")!;
    expect(readConstant(constant, reader).data).toEqual(small.values);
    expect(() => ggufTensors(saved({ tensors: tensors.slice(0, 1) }))).toThrow(/small: .* too small to tell/);
  });

  it("of no such size is refused, and so is a mixture", () => {
    const tensor = (name: string, bytes: Uint8Array) => ({ name, kind: 42, shape, bytes });
    const odd = saved({ tensors: [tensor("w", new Uint8Array(500))] });
    expect(() => ggufTensors(odd)).toThrow(
      /w: the Q2_0 tensors have the size of no such blocks[\s\S]*in 512 bytes/,
    );
    const both = saved({ tensors: [tensor("a", rows.Q2_0.bytes), tensor("b", rows.PQ2_0.bytes)] });
    expect(() => ggufTensors(both)).toThrow(/all in blocks of 64 elements/);
  });
});
