/**
 * Chroma at its full size, planned for browsers at their default limits: they bind modulations a step at a time. Of 39 steps, rows of the network
 * that makes modulations would not fit a buffer.
 */
import { expect, it } from "vitest";
import { planGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { chromaGraph } from "../../compiler/models/chroma/build-graph.js";
import { linearShape } from "../../compiler/models/chroma/sizes.js";
import { type FluxSizes, vectorLength } from "../../compiler/models/flux/sizes.js";
import type { FluxWeights } from "../../compiler/models/flux/weights.js";
import type { Constant } from "../../ir/constant/constant.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { webgpu } from "../../targets/index.js";
import { bufferBytes } from "../../targets/memory/buffers.js";
import { expectToFit } from "../support/webgpu-limits.js";

const CHROMA: FluxSizes = {
  ...{ doubleBlocks: 19, singleBlocks: 38, heads: 24, headDim: 128, mlpWidth: 12288 },
  ...{ inChannels: 64, outChannels: 64, contextDim: 4096, pooledDim: null },
  ...{ frequencies: 64, timeWidth: 5120, timeLayers: 5, guidance: false },
  ...{ ropeAxes: [16, 56, 56], ropeTheta: 10000, epsilon: 1e-6 },
};
const filled = (...shape: number[]): Constant => ({
  ...{ dtype: "f32", shape },
  source: { kind: "fill", value: 0.5 },
});
/** Planning reads no weights. */
const stored = (...shape: number[]): Constant => ({
  ...{ dtype: "f32", shape },
  source: { kind: "file", file: "nowhere", offset: 0, length: 4 * shape.reduce((a, b) => a * b) },
});
const weights = {
  linear(role: string) {
    const [out, inputs] = linearShape(CHROMA, role);
    return { weight: stored(out, inputs), bias: filled(out) };
  },
  vector: (role: string) => filled(vectorLength(CHROMA, role)),
  scaleFirst: false,
};

it("fits the default limits of WebGPU at 1024x1024 in 38 steps", () => {
  const graph = recognize(chromaGraph("chroma", CHROMA, weights as unknown as FluxWeights), fileReader());
  const sizes = { img_tokens: 4096, txt_tokens: 512, steps: 38 };
  const { lowered } = planGraph(graph, fileReader(), {
    target: webgpu,
    options: { ternarize: "exact", activations: "int8", group: "row" },
    sizes,
    batchAxes: new Map(),
  });
  expectToFit(lowered, sizes);
  verifyProgram(lowered.program);
  // 344 vectors of 3072 channels a step: more than a binding holds of all steps.
  const bytes = lowered.program.buffers.map((buffer) => bufferBytes(buffer, sizes));
  expect(bytes).toContain(38 * 344 * 3072 * 4);
  expect(38 * 344 * 3072 * 4).toBeGreaterThan(webgpu.limits.maxBindingBytes);
});
