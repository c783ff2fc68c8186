/** Constants with their middle axes swapped: the formula, in whatever range they are read, and their text. */
import { describe, expect, it } from "vitest";
import { segmentsOf } from "../../compiler/pack/segments.js";
import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { readConstant, readRows } from "../../ir/constant/read.js";
import { decodeWords, readWords, wordType } from "../../ir/constant/words.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { randomFloats } from "../support/random.js";

const NO_FILES: ByteReader = {
  read: () => {
    throw new Error("no file");
  },
};

const SHAPES = [
  [3, 2, 5, 7],
  [4, 6, 9, 1],
  [1, 1, 4, 3],
] as const;

/** bf16 keeps the upper half of an f32. */
function bfloats([a, b, c, d]: (typeof SHAPES)[number], seed: number): Constant {
  const floats = randomFloats(seed, a * b * c * d);
  const words = Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16);
  return {
    dtype: "bf16",
    shape: [a, b, c, d],
    source: { kind: "inline", bytes: new Uint8Array(words.buffer) },
  };
}

describe.each(SHAPES)("[%i, %i, %i, %i]", (a, b, c, d) => {
  const of = bfloats([a, b, c, d] as (typeof SHAPES)[number], a + b);
  const wide: Constant = { dtype: "f32", shape: of.shape, source: { kind: "cast", of } };
  const swapped: Constant = { dtype: "f32", shape: [a, c, b, d], source: { kind: "swap", of: wide } };
  const given = readConstant(wide, NO_FILES).data;
  const wanted = Float32Array.from({ length: a * b * c * d }, (_, at) => {
    const [l, j, k] = [at % d, Math.floor(at / d) % b, Math.floor(at / (d * b)) % c];
    const i = Math.floor(at / (d * b * c));
    return Number(given[((i * b + j) * c + k) * d + l]);
  });

  it("has element [i, k, j, l] where there was [i, j, k, l]", () => {
    expect(readConstant(swapped, NO_FILES).data).toEqual(wanted);
  });

  it("has the same elements in whatever range it is read", () => {
    const flat: Constant = { dtype: "f32", shape: [a * c * b, d], source: { kind: "reshape", of: swapped } };
    for (let start = 0; start < a * b * c; start++) {
      for (const end of [start, start + 1, a * b * c]) {
        expect(readRows(flat, start, end, NO_FILES).data).toEqual(wanted.slice(start * d, end * d));
      }
    }
  });

  it("is read as the 16-bit floats that it is stored in", () => {
    expect(wordType(swapped)).toBe("bf16");
    for (const [from, to] of [
      [0, wanted.length],
      [1, wanted.length - 1],
    ] as const) {
      expect(decodeWords("bf16", readWords(swapped, from, to, NO_FILES))).toEqual(wanted.slice(from, to));
    }
  });

  it("is no matrix of a file, so that the packer reads it by rows", () => {
    const matrix: Constant = {
      dtype: "f32",
      shape: [a * c, b * d],
      source: { kind: "reshape", of: swapped },
    };
    const tensor = {
      name: "w",
      dtype: "bf16",
      shape: matrix.shape,
      encoding: "plain",
      weight: true,
    } as const;
    expect(segmentsOf({ ...tensor, id: "w", constant: matrix })).toBeUndefined();
  });

  it("prints, parses and is verified", () => {
    const graph: Graph = {
      name: "swapped",
      inputs: ["x"],
      outputs: ["y"],
      types: new Map([
        ["x", { dtype: "f32", shape: [a, c, b, d] }],
        ["w", { dtype: "f32", shape: swapped.shape }],
        ["y", { dtype: "f32", shape: [a, c, b, d] }],
      ]),
      constants: new Map([["w", swapped]]),
      nodes: [{ op: "binary", inputs: ["x", "w"], outputs: ["y"], attrs: { fn: "add" } }],
    };
    verifyGraph(graph);
    expect(printGraph(parseGraph(printGraph(graph)))).toBe(printGraph(graph));
    const wrong: Constant = { ...swapped, shape: [a, c, b, d + 1] };
    expect(() => verifyGraph({ ...graph, constants: new Map([["w", wrong]]) })).toThrow();
  });
});
