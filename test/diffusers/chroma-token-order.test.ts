/** A Chroma export with a mask of all tokens whose attention has those of the picture before those of the text. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { recognition } from "../../compiler/recognize/recognition.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { relativeError } from "../support/run-compiled.js";

const MODELS = join(import.meta.dirname, "../models/chroma");
const reader = fileReader();
afterAll(() => reader.close());

const read = (name: string) => parseSafetensors(readFileSync(join(MODELS, `${name}.safetensors`)));
const textFirst = importModel(join(MODELS, "dynamo-weakened.onnx"));
const inputs = read("inputs");
const [weakened] = read("expected-weakened").values();

/** Where the file joins text and picture: positions, queries, keys and values of both double blocks, what single blocks get, and lengths. */
const JOINED = ["val_473", ...["6", "10", "11", "12", "14", "15", "16", "17"].map((i) => `cat_${i}`)];

/** The same function of a mask in the other order: every joint of text and picture, and what is taken from one, the other way round. */
function pictureFirst(graph: Graph): Graph {
  const changed = new Set<ValueId>();
  const nodes = graph.nodes.map((node): Node => {
    const [out = ""] = node.outputs;
    const swapped = (): void => void changed.add(out);
    if (node.op === "concat" && JOINED.includes(out)) {
      swapped();
      return { ...node, inputs: node.inputs.toReversed() };
    }
    if (node.op === "split" && node.inputs[1] === "val_473") {
      swapped();
      return { ...node, outputs: node.outputs.toReversed() };
    }
    if (node.op === "slice" && node.inputs[1] === "val_1") {
      swapped();
      const [x = null, , , ...axesAndSteps] = node.inputs;
      // From the start (a constant of 0) for as many tokens as the picture has.
      return { ...node, inputs: [x, "val_32", "val_0", ...axesAndSteps] };
    }
    return node;
  });
  expect(changed.size).toBe(JOINED.length + 3);
  return { ...graph, nodes };
}

/** The first 4 of 7 tokens of the text shown, and all of the picture, in either order. */
function withMask(first: "text" | "picture"): ReadonlyMap<string, Tensor> {
  const text = [1, 1, 1, 1, 0, 0, 0];
  const picture = Array<number>(inputs.get("img_ids")?.shape[0] ?? 0).fill(1);
  const data = Float32Array.from(first === "text" ? [...text, ...picture] : [...picture, ...text]);
  return new Map(inputs).set("attention_mask", { dtype: "f32", shape: [1, data.length], data });
}

const errorOf = (graph: Graph, first: "text" | "picture") =>
  relativeError(interpret(graph, withMask(first), { reader }).get(graph.outputs[0] ?? ""), weakened);

it("takes its mask in its own order, and is another function of the text's first", () => {
  expect(errorOf(textFirst, "text")).toBeLessThan(5e-6);
  const graph = pictureFirst(textFirst);
  expect(errorOf(graph, "picture")).toBeLessThan(5e-6);
  expect(errorOf(graph, "text")).toBeGreaterThan(0.01);
});

it("is not recognized, since a sampler gives the mask with the text first", () => {
  expect(recognition(textFirst, reader).graph.model?.roles).toMatchObject({ attention_mask: "token-mask" });
  const { graph, stopped } = recognition(pictureFirst(textFirst), reader);
  expect(graph.model).toBeUndefined();
  expect(stopped).toMatchObject({
    place: "the mask of tokens",
    expected: "those of the text before those of the picture",
    found: "those of the picture first",
  });
  // What is left of it are generic operations, which compute the same.
  expect(errorOf(graph, "picture")).toBeLessThan(5e-6);
});

it("is recognized in this order where its scores have no mask", () => {
  const graph = pictureFirst(textFirst);
  const bare = new Map<ValueId, ValueId>();
  for (const node of graph.nodes) {
    const [scores, mask] = node.inputs;
    if (mask === "mul_127" && scores != null) bare.set(node.outputs[0] ?? "", scores);
  }
  expect(bare.size).toBe(4);
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((input) => (input === null ? null : (bare.get(input) ?? input))),
  }));
  expect(recognition({ ...graph, nodes }, reader).graph.model?.family).toBe("chroma");
});
