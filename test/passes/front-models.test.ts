import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { canonicalize } from "../../compiler/passes/canonicalize.js";
import { foldConstants } from "../../compiler/passes/fold-constants.js";
import { runPasses } from "../../compiler/passes/run-passes.js";
import { batchBindings } from "../../compiler/recognize/batch-bindings.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { OpName } from "../../ir/ops/index.js";
import { buildFlux } from "../support/flux-builder.js";
import { STYLES, TINY } from "../support/flux-style.js";
import { difference, passContext, randomInputs } from "./support.js";

const models = join(import.meta.dirname, "..", "models");
const folder = mkdtempSync(join(tmpdir(), "tritc-front-"));
const reader = fileReader();
afterAll(() => {
  reader.close();
  rmSync(folder, { recursive: true });
});

/** What shape arithmetic and other spellings are made of: nothing of it may be left. */
const GONE: ReadonlySet<OpName> = new Set<OpName>([
  "shape",
  "size",
  "constant-of-shape",
  "range",
  "where",
  "nonzero",
  "squeeze",
  "unsqueeze",
  "flatten",
  "split",
  "gemm",
  "einsum",
  "tile",
  "if",
  "loop",
  "scan",
  "sequence-construct",
  "sequence-insert",
  "sequence-at",
  "sequence-length",
  "concat-from-sequence",
  "split-to-sequence",
]);

function check(before: Graph, sizes: readonly Readonly<Record<string, number>>[]): void {
  const after = runPasses(
    before,
    [foldConstants, canonicalize],
    passContext(batchBindings(before), reader),
    {},
  );
  expect(after.nodes.filter((n) => GONE.has(n.op)).map((n) => n.op)).toEqual([]);
  expect([...after.types].filter(([, type]) => type.shape === null)).toEqual([]);
  const halves = [...after.types].filter(
    ([id, t]) => ["f64", "f16", "bf16"].includes(t.dtype) && !after.constants.has(id),
  );
  expect(halves).toEqual([]);
  expect(after.outputs).toEqual(before.outputs);
  const again = runPasses(after, [foldConstants, canonicalize], passContext({}, reader), {});
  expect(again.nodes.map((n) => n.op)).toEqual(after.nodes.map((n) => n.op));
  for (const [i, size] of sizes.entries()) {
    const inputs = randomInputs(before, size, 3 + i);
    expect(difference(before, after, inputs, reader)).toBeLessThan(1e-6);
  }
}

describe("fold-constants and canonicalize", () => {
  it.each([
    "import/ts14-decomposed/model.onnx",
    "import/ts17-optimum/model.onnx",
    "import/ts17-schnell-static/model.onnx",
    "shapes/text_encoder/model.onnx",
    "shapes/text_encoder_2/model.onnx",
    "shapes/vae_decoder/model.onnx",
    "shapes/transformer/model.onnx",
    "shapes-ternary/transformer/model.onnx",
  ])("leave no shape arithmetic in %s and keep its function", (path) => {
    const image = { batch_size: 1, step: 1, latent_height: 3, latent_width: 5 };
    check(importOnnx(join(models, path)), [
      { ...image, packed_height_width: 6, sequence_length: 5 },
      { ...image, packed_height_width: 4, sequence_length: 12, latent_height: 4 },
    ]);
  });

  // Without the shapes of its inputs, which recognition reads from the graph, a model keeps its shape arithmetic.
  const shaped = Object.keys(STYLES).filter((name) => STYLES[name]?.axes !== "no-shape");
  it.each(shaped)("bring a FLUX transformer in the style of %s to the same form", (name) => {
    const style = STYLES[name];
    if (style === undefined) throw new Error(name);
    const path = join(folder, `${Object.keys(STYLES).indexOf(name)}.onnx`);
    writeFileSync(path, buildFlux(style, TINY));
    const symbols = style.tokens;
    const sizes = (img: number, txt: number) =>
      symbols === null
        ? { "": 1 }
        : { "": 1, [symbols.img]: img, [symbols.imgIds]: img, [symbols.txt]: txt, [symbols.txtIds]: txt };
    check(importOnnx(path), [sizes(6, 5), sizes(4, 7)]);
  });
});
