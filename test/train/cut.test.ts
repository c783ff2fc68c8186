import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type FileReader, fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { isBlockRole } from "../../compiler/models/index.js";
import { batchAxesOf, recognize } from "../../compiler/recognize/recognition.js";
import { bindSizes } from "../../compiler/train/bind-sizes.js";
import { cutModel } from "../../compiler/train/blocks/cut.js";
import { type Graph, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { buildFlux } from "../support/flux-builder.js";
import { STYLES, TINY } from "../support/flux-style.js";
import { normals } from "../support/random.js";

const root = mkdtempSync(join(tmpdir(), "tritc-cut-"));
afterAll(() => rmSync(root, { recursive: true }));
const reader: FileReader = fileReader();
const BATCH = 2;

/** A model of known sizes, for a batch. */
function bound(path: string): Graph {
  const imported = importModel(path);
  const recognized = recognize(imported, reader);
  const symbols = { img_tokens: 6, txt_tokens: 5 };
  return bindSizes(recognized, batchAxesOf(imported, recognized), { batch: BATCH, symbols });
}

function built(style: string, doubles: number, singles: number): Graph {
  const path = join(root, `${doubles}-${singles}.onnx`);
  const size = { ...TINY, doubles, singles };
  writeFileSync(path, buildFlux(STYLES[style] ?? (STYLES.torchscript as never), size));
  return bound(path);
}

const imports = join(import.meta.dirname, "../models/import");
const models: Readonly<Record<string, () => Graph>> = {
  "both kinds of blocks": () => built("torchscript", 2, 3),
  "double blocks alone": () => built("torchscript", 2, 0),
  "single blocks alone": () => built("torchscript", 0, 2),
  "one block": () => built("torchscript", 1, 0),
  "a sequence that is split around each block": () => built("dynamo opset 23", 1, 2),
  "one linear for everything in single blocks": () => built("original implementation", 1, 2),
  "Optimum's export": () => bound(join(imports, "optimum-dev")),
  "decomposed norms": () => bound(join(imports, "ts14-decomposed")),
  "fixed sizes, no guidance": () => bound(join(imports, "ts17-schnell-static")),
};

function inputsOf(graph: Graph): Map<ValueId, Tensor> {
  const random = normals(5);
  return new Map(
    graph.inputs.map((id): [ValueId, Tensor] => {
      const { dtype } = graph.types.get(id) ?? { dtype: "f32" };
      const shape = shapeOf(graph, id).map(Number);
      const length = countOf(shape);
      if (dtype === "i64")
        return [id, { dtype, shape, data: BigInt64Array.from({ length }, (_, i) => BigInt(i % 5)) }];
      return [id, { dtype: "f32", shape, data: Float32Array.from({ length }, () => 0.5 * random()) }];
    }),
  );
}

/** Inputs and results of each piece, where one runs after the other and sees what it says that it reads alone. */
function runPieces(graph: Graph, pieces: readonly Graph[]): Map<ValueId, Tensor> {
  const values = inputsOf(graph);
  for (const piece of pieces) {
    const feeds = new Map(piece.inputs.map((id) => [id, values.get(id) as Tensor]));
    for (const [id, value] of interpret(piece, feeds, { reader })) values.set(id, value);
  }
  return values;
}

describe.each(Object.entries(models))("the pieces of a model: %s", (_, make) => {
  const graph = make();
  const { prefix, blocks, suffix } = cutModel(graph);
  const pieces = [prefix, ...blocks, suffix];

  it("compute what the model computes, one after the other", () => {
    for (const piece of pieces) expect(() => verifyGraph(piece)).not.toThrow();
    const found = runPieces(graph, pieces);
    for (const [id, { data }] of interpret(graph, inputsOf(graph), { reader }))
      expect(found.get(id)?.data).toEqual(data);
  });

  it("have each node once, and the blocks' layers in their blocks", () => {
    expect(pieces.flatMap(({ nodes }) => nodes).length).toBe(graph.nodes.length);
    for (const { name, nodes } of pieces) {
      const roles = nodes.flatMap(({ op, attrs }) =>
        op === "linear" && isBlockRole(attrs.role) ? [attrs.role] : [],
      );
      expect(roles.every((role) => role?.startsWith(`${name}.`))).toBe(true);
    }
    const { doubleBlocks = 0, singleBlocks = 0 } = graph.model ?? {};
    expect(blocks.length).toBe(doubleBlocks + singleBlocks);
  });

  it("hand on residual streams alone: the text's no further than the last block that reads it", () => {
    const { hidden = 0 } = graph.model ?? {};
    for (const [i, { name, nodes, outputs }] of blocks.entries()) {
      const isLast = i === blocks.length - 1;
      const rows = outputs.map((id) => shapeOf(graph, id)[1]).sort();
      const joint = name.startsWith("single") && !isLast;
      const [img, txt] = ["latents", "context"].map((role) => {
        const id = graph.inputs.find((input) => graph.model?.roles[input] === role) ?? "";
        return Number(shapeOf(graph, id)[1]);
      });
      expect(rows).toEqual(isLast ? [img] : joint ? [(img ?? 0) + (txt ?? 0)] : [txt, img].sort());
      for (const id of outputs) {
        expect(shapeOf(graph, id)).toEqual([BATCH, expect.any(Number), hidden]);
        const source = nodes.find((node) => node.outputs.includes(id));
        expect(["gated-residual", "part", "concat"]).toContain(source?.op);
      }
    }
  });
});
