import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { importOnnx } from "../../compiler/onnx/index.js";
import { summarizeRecognition } from "../../compiler/recognize/index.js";
import { evaluateDim } from "../../ir/dim.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import { dtypeOf, type Graph, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { ModelDescription } from "../../ir/models/index.js";
import { countOf } from "../../ir/tensor.js";
import { uniform } from "../support/random.js";
import { CONDITIONINGS, deviation, type NamedInput, reader, recognized, run } from "./models.js";

const folder = fileURLToPath(new URL("../models", import.meta.url));

interface Expected {
  readonly path: string;
  readonly model: Partial<ModelDescription>;
  /** layer-norm, rms-norm, gelu, attention, linear. */
  readonly counts: readonly [number, number, number, number, number];
}

const MODELS: readonly Expected[] = [
  {
    path: "import/ts14-decomposed",
    model: {
      doubleBlocks: 1,
      singleBlocks: 1,
      hidden: 128,
      heads: 2,
      headDim: 64,
      guidance: true,
      ropeAxes: [8, 28, 28],
    },
    counts: [6, 6, 3, 2, 30],
  },
  {
    path: "import/ts17-optimum",
    model: {
      doubleBlocks: 1,
      singleBlocks: 2,
      hidden: 64,
      heads: 2,
      headDim: 32,
      guidance: true,
      ropeAxes: [8, 12, 12],
    },
    counts: [7, 8, 4, 3, 36],
  },
  {
    path: "import/optimum-dev",
    model: { doubleBlocks: 1, singleBlocks: 2, hidden: 64, guidance: true, ropeAxes: [8, 12, 12] },
    counts: [7, 8, 4, 3, 36],
  },
  {
    path: "import/ts17-schnell-static",
    model: { doubleBlocks: 2, singleBlocks: 2, guidance: false },
    counts: [11, 12, 6, 4, 48],
  },
  {
    path: "shapes/transformer",
    model: {
      doubleBlocks: 2,
      singleBlocks: 4,
      guidance: true,
      contextDim: 128,
      pooledDim: 64,
      inChannels: 64,
      outChannels: 64,
    },
    counts: [13, 16, 8, 6, 62],
  },
  {
    path: "shapes-ternary/transformer",
    model: { doubleBlocks: 2, singleBlocks: 4, guidance: true, contextDim: 128, pooledDim: 64 },
    counts: [13, 16, 8, 6, 62],
  },
];

const TOKENS = [
  { img: 9, txt: 4 },
  { img: 16, txt: 12 },
] as const;

/** Random inputs by role; undefined if a static export has other token counts. */
function inputsFor(
  graph: Graph,
  tokens: { readonly img: number; readonly txt: number },
  conditioning: { readonly timestep: number; readonly guidance: number },
): Readonly<Record<ValueId, NamedInput>> | undefined {
  const inputs: Record<ValueId, NamedInput> = {};
  const random = uniform(tokens.img);
  for (const [id, role] of Object.entries(graph.model?.roles ?? {})) {
    const shape = shapeOf(graph, id);
    const dims = shape.map((d) => evaluateDim(d, { img_tokens: tokens.img, txt_tokens: tokens.txt }));
    const rows = role === "latents" || role === "img-ids" ? tokens.img : tokens.txt;
    if (shape.length > 1 && role !== "pooled" && dims.at(-2) !== rows) return undefined;
    const count = countOf(dims);
    const value = (i: number): number => {
      if (role === "timestep") return conditioning.timestep;
      if (role === "guidance") return conditioning.guidance;
      return role === "img-ids" || role === "txt-ids" ? (i * 7) % 5 : 2 * random() - 1;
    };
    inputs[id] = {
      type: dtypeOf(graph, id),
      dims,
      values: Array.from({ length: count }, (_, i) => value(i)),
    };
  }
  return inputs;
}

describe("the given exports", () => {
  for (const { path, model, counts } of MODELS) {
    it(path, () => {
      const imported = importOnnx(`${folder}/${path}`);
      const graph = recognized(imported);
      const summary = summarizeRecognition(graph);
      expect(summary.unrecognized).toEqual([]);
      const names = ["layer-norm", "rms-norm", "gelu", "attention", "linear"];
      expect(names.map((n) => summary.counts[n] ?? 0)).toEqual(counts);
      expect(graph.model).toMatchObject({ ...model, ropeTheta: 10000 });
      const roles = graph.nodes.map((n) => (n.op === "linear" ? n.attrs.role : "-"));
      expect(roles).not.toContain(null);
      expect(new Set(roles.filter((r) => r !== "-")).size).toBe(counts[4]);
    });
    it(`${path} computes the same`, () => {
      const imported = importOnnx(`${folder}/${path}`);
      const graph = recognized(imported);
      for (const tokens of TOKENS) {
        for (const { conditioning, tolerance } of CONDITIONINGS) {
          const inputs = inputsFor(graph, tokens, conditioning);
          if (inputs === undefined) continue;
          expect(deviation(run(imported, inputs), run(graph, inputs))).toBeLessThan(tolerance);
        }
      }
    });
  }
});

describe("against the original PyTorch module", () => {
  for (const path of [
    "import/optimum-dev",
    "import/ts14-decomposed",
    "import/ts17-optimum",
    "import/ts17-schnell-static",
  ]) {
    it(path, () => {
      const graph = recognized(importOnnx(`${folder}/${path}`));
      const inputs = parseSafetensors(readFileSync(`${folder}/${path}/inputs.safetensors`));
      const sample = parseSafetensors(readFileSync(`${folder}/${path}/expected.safetensors`)).get("sample");
      const result = interpret(graph, inputs, { reader }).get(graph.outputs[0] ?? "");
      const [a, b] = [sample, result].map((t) => Float64Array.from(t?.data ?? [], Number));
      expect(deviation(a ?? new Float64Array(), b ?? new Float64Array())).toBeLessThan(1e-4);
    });
  }
});

describe("graphs of other models", () => {
  for (const path of ["shapes/text_encoder", "shapes/text_encoder_2", "shapes/vae_decoder"]) {
    it(`${path} is left undescribed`, () => {
      const graph = recognized(importOnnx(`${folder}/${path}`));
      expect(graph.model).toBeUndefined();
      expect(graph.nodes.length).toBeGreaterThan(0);
    });
  }
});
