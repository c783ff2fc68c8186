/**
 * An int8 transformer with scales of groups, node by node: on the same operands kernels and interpreter have the same codes, the
 * same integer sums and the same ternary products. What whole models differ by comes from codes at a tie alone.
 */
import { describe, expect, it } from "vitest";
import { batchAxesOf, compileGraph } from "../../compiler/compile-graph.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { createNodeWebGpuDevice } from "../../runtime/node/webgpu-device.js";
import { cpu, webgpu } from "../../targets/index.js";
import { importBytes, reader, recognized, tensorOf } from "../recognize/models.js";
import { fluxInputs } from "../support/flux-builder.js";
import type { FluxSize } from "../support/flux-style.js";
import { buildFlux2, type Flux2Style, STYLES2, TINY2 } from "../support/flux2-builder.js";
import { type ComparedValue, nodeByNode } from "../support/node-by-node.js";
import { relativeError } from "../support/run-compiled.js";

/** Four groups of 32 inputs, and six in the MLPs. */
const SIZE: FluxSize = { ...TINY2, axes: [16, 16, 16, 16], mlp: 192 };
const STYLE = STYLES2.torchscript as Flux2Style;
const model = importBytes(buildFlux2(STYLE, SIZE));
const graph = recognized(model);
const batchAxes = batchAxesOf(model, graph);
const inputs = new Map(
  Object.entries(fluxInputs(STYLE, SIZE, { img: 20, txt: 12 })).map(([id, given]) => [id, tensorOf(given)]),
);

const differing = ({ found, wanted }: ComparedValue): readonly number[] =>
  [...wanted.data.keys()].filter((i) => Number(found.data[i]) !== Number(wanted.data[i]));

/** How far the codes that differ are from the middle between two, at most, where codes of exact numbers would lie. */
function furthestFromTie(value: ComparedValue): number {
  const { node, id, wanted } = value;
  if (node.op !== "adaln-quantize") return 0.5;
  const channels = wanted.shape.at(-1) ?? 1;
  const { data } = value.exactly({ ...node, op: "adaln", outputs: [id] });
  const numbers = Array.from(data, Number);
  const distances = differing(value).map((i) => {
    const row = i - (i % channels);
    const largest = Math.max(...numbers.slice(row, row + channels).map(Math.abs));
    const code = Math.abs(((numbers[i] ?? 0) * 127) / largest);
    return Math.abs(code - Math.floor(code) - 0.5);
  });
  return Math.max(0, ...distances);
}

describe.each([
  ["cpu", cpu, () => createNodeCpuDevice({ threads: 1 })],
  ["webgpu", webgpu, () => createNodeWebGpuDevice({ software: "always" })],
] as const)("%s", (_, target, open) => {
  it("kernels have the interpreter's codes, sums and products, node by node", async () => {
    const options = { ternarize: "exact", group: 32, activations: "int8" } as const;
    const compiled = await compileGraph(graph, reader, { target, options, sizes: {}, batchAxes });
    const device = await open();
    try {
      const counts = new Map<string, number>();
      for (const value of await nodeByNode(compiled, reader, device, inputs)) {
        const { node, id, found, wanted } = value;
        counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
        const isProduct = node.op === "ternary-linear" && !node.attrs.gated;
        if (wanted.dtype === "f32" && !isProduct) {
          expect(relativeError(found, wanted), `${node.op} ${id}`).toBeLessThan(2e-6);
        } else if (node.op === "adaln-quantize") {
          // What LayerNorm rounds otherwise may make another code of a number at a tie, and another sum with it.
          const flips = differing(value).length;
          expect(flips, id).toBeLessThan(3);
          if (wanted.dtype === "i8") expect(furthestFromTie(value), id).toBeLessThan(1e-4);
        } else expect(differing(value), `${node.op} ${id}`).toEqual([]);
      }
      const inBlocks = 4 * SIZE.doubles + 2 * SIZE.singles;
      expect(counts.get("ternary-linear")).toBeGreaterThanOrEqual(inBlocks);
      expect(counts.get("quantize-rows")).toBe(3 * (4 * SIZE.doubles + SIZE.singles));
    } finally {
      await device.close();
    }
  });
});
