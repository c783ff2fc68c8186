import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";

const models = fileURLToPath(new URL("../models/", import.meta.url));

function countOps(graph: Graph): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { op } of graph.nodes) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}

/** Nodes of each op, and what the graph takes and gives. */
const COUNTS: readonly [string, Record<string, number>][] = [
  [
    "import/ts14-decomposed",
    {
      matmul: 24,
      binary: 150,
      unsqueeze: 80,
      cast: 27,
      unary: 33,
      concat: 35,
      gemm: 10,
      gather: 38,
      einsum: 3,
      reshape: 21,
      shape: 37,
      split: 4,
      reduce: 18,
      slice: 13,
      transpose: 8,
      softmax: 2,
    },
  ],
  [
    "import/ts17-optimum",
    {
      matmul: 31,
      binary: 189,
      unsqueeze: 95,
      cast: 24,
      unary: 38,
      concat: 50,
      gemm: 11,
      gather: 66,
      einsum: 3,
      reshape: 33,
      shape: 60,
      slice: 32,
      "layer-norm": 7,
      reduce: 8,
      transpose: 12,
      softmax: 3,
    },
  ],
  [
    "import/ts17-schnell-static",
    {
      matmul: 45,
      binary: 228,
      unsqueeze: 113,
      cast: 30,
      unary: 45,
      concat: 49,
      gemm: 11,
      gather: 55,
      einsum: 3,
      reshape: 36,
      split: 7,
      "layer-norm": 11,
      reduce: 12,
      slice: 25,
      transpose: 16,
      shape: 56,
      softmax: 4,
    },
  ],
  [
    "shapes",
    {
      cast: 119,
      matmul: 59,
      binary: 358,
      unsqueeze: 169,
      unary: 62,
      concat: 88,
      gemm: 15,
      gather: 127,
      einsum: 3,
      reshape: 60,
      shape: 118,
      slice: 61,
      "layer-norm": 13,
      reduce: 16,
      transpose: 24,
      softmax: 6,
    },
  ],
  [
    "shapes-ternary/transformer/model.onnx",
    {
      cast: 67,
      matmul: 59,
      binary: 358,
      unsqueeze: 169,
      unary: 62,
      concat: 88,
      gemm: 15,
      gather: 127,
      einsum: 3,
      reshape: 60,
      shape: 118,
      slice: 61,
      "layer-norm": 13,
      reduce: 16,
      transpose: 24,
      softmax: 6,
    },
  ],
  ["shapes/text_encoder", { binary: 4, cast: 1, unsqueeze: 1, gather: 1, reduce: 2, gemm: 1 }],
  ["shapes/text_encoder_2", { gather: 1, binary: 1, "layer-norm": 1 }],
  [
    "shapes/vae_decoder",
    { conv: 11, reshape: 6, "instance-norm": 3, shape: 3, binary: 19, unary: 10, "depth-to-space": 3 },
  ],
];

describe("models are read whole", () => {
  it.each(COUNTS)("%s", (path, counts) => {
    const graph = importOnnx(models + path);
    verifyGraph(graph);
    expect(countOps(graph)).toEqual(counts);
  });

  it("ternary weights stay lazy: dequantized codes in the data file", () => {
    const graph = importOnnx(`${models}shapes-ternary`);
    const sources = [...graph.constants.values()].map((c) => c.source);
    const weights = sources.filter((s) => s.kind === "dequantize");
    expect(weights.length).toBe(52);
    for (const s of weights) expect(s.codes.source.kind).toBe("file");
  });
});

describe("imported graphs compute what the exporter's model computed", () => {
  it.each(["ts14-decomposed", "ts17-optimum", "ts17-schnell-static"])("%s", (name) => {
    const read = (file: string) =>
      parseSafetensors(readFileSync(`${models}import/${name}/${file}.safetensors`));
    const reader = fileReader();
    const graph = importOnnx(`${models}import/${name}`);
    const results = interpret(graph, read("inputs"), { reader });
    reader.close();
    const [output = ""] = graph.outputs;
    // The expected tensor has one name whatever the graph's output is called.
    for (const expected of read("expected").values()) {
      const found = results.get(output);
      expect(found?.shape).toEqual(expected.shape);
      let error = 0;
      let norm = 0;
      expected.data.forEach((e: number | bigint, i: number) => {
        error += (Number(found?.data[i]) - Number(e)) ** 2;
        norm += Number(e) ** 2;
      });
      expect(norm).toBeGreaterThan(0);
      expect(Math.sqrt(error / norm)).toBeLessThan(1e-4);
    }
  });
});
