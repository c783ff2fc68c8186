import { describe, expect, it } from "vitest";
import { summarizeRecognition } from "../../compiler/recognize/index.js";
import { countOf } from "../../ir/tensor.js";
import { buildFlux, fluxInputs } from "../support/flux-builder.js";
import { randomStyle } from "../support/flux-random-style.js";
import { type FluxSize, type FluxStyle, STYLES, TINY, TORCHSCRIPT } from "../support/flux-style.js";
import { uniform } from "../support/random.js";
import {
  CONDITIONINGS,
  deviation,
  importBytes,
  type NamedInput,
  openOrt,
  recognized,
  run,
  runOrt,
} from "./models.js";

async function check(style: FluxStyle, size: FluxSize, seed: number): Promise<void> {
  const bytes = buildFlux(style, size, seed);
  const imported = importBytes(bytes);
  const graph = recognized(imported);
  const left = summarizeRecognition(graph).unrecognized.map(({ op }) => op);
  // A ControlNet's residuals are scaled and chosen by generic operations.
  const adds = style.residuals === "scaled" ? ["binary.mul"] : style.residuals === "stacked" ? ["part"] : [];
  expect(left.filter((op) => !adds.includes(op))).toEqual([]);
  const shapes = style.tokens === null ? [size] : [size, { img: 7, txt: 3 }];
  const runtime = await openOrt(bytes);
  for (const { conditioning, tolerance } of CONDITIONINGS) {
    for (const tokens of shapes) {
      const inputs = fluxInputs(style, size, tokens, conditioning, seed);
      const reference = await runtime.run(inputs);
      expect(deviation(reference, run(imported, inputs))).toBeLessThan(5e-6);
      expect(deviation(reference, run(graph, inputs))).toBeLessThan(tolerance);
    }
  }
  await runtime.release();
  const linears = graph.nodes.filter((n) => n.op === "linear");
  expect(linears.map((n) => n.attrs.role)).not.toContain(null);
  expect(graph.model).toMatchObject({
    doubleBlocks: size.doubles,
    singleBlocks: size.singles,
    heads: size.heads,
    headDim: size.axes.reduce((a, b) => a + b, 0),
    mlpWidth: size.mlp,
    inChannels: size.inChannels,
    outChannels: size.outChannels,
    contextDim: size.contextDim,
    pooledDim: size.pooledDim,
    guidance: style.guidance,
    timestepScale: style.sinusoid === "outside" ? 1000 : 1,
    guidanceScale: style.sinusoid === "outside" && style.guidance ? 1000 : 1,
    ropeAxes: size.axes,
    ropeTheta: size.theta,
    roles: Object.fromEntries(
      style.inputs
        .filter(([role]) => role !== "guidance" || style.guidance)
        .map(([role, name]) => [name, role]),
    ),
  });
  if (style.tokens !== null) {
    const latents = style.inputs.find(([role]) => role === "latents")?.[1] ?? "";
    expect(graph.types.get(latents)?.shape).toEqual([1, "img_tokens", size.inChannels]);
  }
}

describe("exporter styles", () => {
  for (const [name, style] of Object.entries(STYLES)) {
    it(name, () => check(style, TINY, 1));
  }
  it.each(["every axis named for itself", "ids with symbols of their own"])(
    "%s, inputs in another order",
    async (name) => {
      const style = STYLES[name] as FluxStyle;
      await check({ ...style, inputs: style.inputs.toReversed() }, TINY, 2);
    },
  );
  it("frequencies of no geometric series, and frequencies rounded to half precision", async () => {
    const style = STYLES.torchscript as FluxStyle;
    await check({ ...style, table: "bent" }, TINY, 5);
    await check({ ...style, table: "half", sinusoid: "factor-late" }, { ...TINY, theta: 2000 }, 6);
  });
  it("one head, one kind of block, unequal axes", async () => {
    const size = {
      ...TINY,
      heads: 1,
      axes: [2, 10, 4],
      theta: 2000,
      doubles: 2,
      singles: 0,
      frequencies: 10,
    };
    await check({ ...(STYLES.torchscript as FluxStyle), layout: "bhsd" }, size, 3);
  });
  it("single blocks only, many heads, as many tokens as heads", async () => {
    const size = { ...TINY, heads: 6, axes: [2, 2, 4], doubles: 0, singles: 2, img: 6, txt: 6, mlp: 8 };
    await check({ ...(STYLES.torchscript as FluxStyle), tokens: null, batch: null }, size, 4);
  });
});

describe("exports for a fixed number of samples", () => {
  const styles = Object.entries({
    torchscript: { ...TORCHSCRIPT, batch: 2 },
    static: { ...TORCHSCRIPT, tokens: null, weightType: "f16", chunk: "slice", layout: "bhsd", batch: 3 },
    original: { ...(STYLES["original implementation"] as FluxStyle), batch: 2 },
    gemm: { ...(STYLES["dynamo opset 23"] as FluxStyle), batch: 2, residuals: "stacked" },
  } satisfies Record<string, FluxStyle>);
  it.each(styles)("%s", async (_, style) => {
    const bytes = buildFlux(style, TINY, 1);
    const graph = recognized(importBytes(bytes));
    expect(graph.model).toMatchObject({ doubleBlocks: TINY.doubles, singleBlocks: TINY.singles });
    const conditioning = { timestep: 0.03, guidance: 0.02 };
    const samples = Array.from({ length: style.batch }, (_, i) => {
      return fluxInputs(style, TINY, TINY, { ...conditioning, timestep: 0.03 * (i + 1) }, 7 + i);
    });
    const whole = await runOrt(bytes, stacked(samples));
    const each = samples.flatMap((inputs) => [...run(graph, inputs)]);
    expect(deviation(whole, Float64Array.from(each))).toBeLessThan(1e-5);
  });
});

/** Inputs of samples as those of a batch: one after the other along the axis of size 1 that comes first. */
function stacked(samples: readonly ReturnType<typeof fluxInputs>[]): Record<string, NamedInput> {
  const [first = {}] = samples;
  return Object.fromEntries(
    Object.entries(first).map(([name, input]) => {
      const axis = input.dims.indexOf(1);
      if (axis < 0) return [name, input];
      const run = countOf(input.dims.slice(axis));
      const outer = Array.from({ length: input.values.length / run }, (_, i) => i * run);
      const values = outer.flatMap((at) => samples.flatMap((s) => s[name]?.values.slice(at, at + run) ?? []));
      return [name, { ...input, dims: input.dims.with(axis, samples.length), values }];
    }),
  );
}

describe("random combinations of styles", () => {
  const count = Number(process.env.TRITC_RANDOM_STYLES ?? 10);
  for (let seed = 1; seed <= count; seed++) {
    const next = uniform(seed * 7919);
    const style = randomStyle(next);
    const size: FluxSize = { ...TINY, heads: 1 + Math.floor(next() * 4), img: 6, txt: 4 };
    it(`seed ${seed}`, () => check(style, size, seed));
  }
});
