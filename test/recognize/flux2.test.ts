/** FLUX.2 in every exporter's style: recognized by structure, and the same function as in ONNX Runtime. */
import { describe, expect, it } from "vitest";
import { whyUnrecognized } from "../../compiler/recognize/describe-model.js";
import { summarizeRecognition } from "../../compiler/recognize/index.js";
import type { Graph } from "../../ir/graph/graph.js";
import { fluxInputs } from "../support/flux-builder.js";
import { buildFlux2, type Flux2Style, STYLES2, TINY2 } from "../support/flux2-builder.js";
import { CONDITIONINGS, deviation, importBytes, openOrt, recognized, run } from "./models.js";

const TEXT_BLOCK = ["q", "k", "v", "out", "mlp.up", "mlp.down"];

/** Each role of a linear and how many linears play it. */
function rolesOf(graph: Graph): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { op, attrs } of graph.nodes.filter((node) => node.op === "linear")) {
    if (op !== "linear") continue;
    const role = (attrs.role ?? "none").replace(/^(double|single)\.\d+/, "$1");
    counts[role] = (counts[role] ?? 0) + 1;
  }
  return counts;
}

describe.each(Object.entries(STYLES2))("FLUX.2: %s", (name, style) => {
  const bytes = buildFlux2(style, TINY2);
  const imported = importBytes(bytes);
  const graph = recognized(imported);

  it("is found with all of its parts", () => {
    expect(summarizeRecognition(graph).unrecognized).toEqual([]);
    expect(graph.model).toMatchObject({
      family: "flux2",
      doubleBlocks: 2,
      singleBlocks: 2,
      hidden: 32,
      heads: 2,
      headDim: 16,
      mlpWidth: TINY2.mlp,
      inChannels: 8,
      outChannels: 8,
      contextDim: TINY2.contextDim,
      pooledDim: null,
      guidance: style.guidance,
      ropeAxes: [4, 4, 4, 4],
      ropeTheta: 2000,
      roles: Object.fromEntries(
        style.inputs
          .filter(([role]) => role !== "guidance" || style.guidance)
          .map(([role, of]) => [of, role]),
      ),
    });
  });

  it("has three modulations for all of its blocks", () => {
    const fused = style.qkv === "separate" ? TEXT_BLOCK : ["qkv", "out", "mlp.up", "mlp.down"];
    const single =
      style.single === "separate"
        ? [...(style.qkv === "separate" ? ["q", "k", "v"] : ["qkv"]), "mlp.up", "out"]
        : ["linear1", "out"];
    const ends = [
      "x_embedder",
      "context_embedder",
      "time_in.0",
      "time_in.1",
      "norm_out.modulation",
      "proj_out",
    ];
    const guidance = style.guidance ? ["guidance_in.0", "guidance_in.1"] : [];
    const once = [
      "modulation.double.img",
      "modulation.double.txt",
      "modulation.single",
      ...ends,
      ...guidance,
    ];
    expect(rolesOf(graph)).toEqual({
      ...Object.fromEntries(once.map((role) => [role, 1])),
      ...Object.fromEntries(["img", "txt"].flatMap((s) => fused.map((leaf) => [`double.${s}.${leaf}`, 2]))),
      ...Object.fromEntries(single.map((leaf) => [`single.${leaf}`, 2])),
    });
  });

  it(`computes what ONNX Runtime does (${name})`, async () => {
    const runtime = await openOrt(bytes);
    for (const { conditioning, tolerance } of CONDITIONINGS) {
      for (const tokens of style.tokens === null ? [TINY2] : [TINY2, { img: 7, txt: 3 }]) {
        const inputs = fluxInputs(style, TINY2, tokens, conditioning);
        const reference = await runtime.run(inputs);
        expect(deviation(reference, run(imported, inputs))).toBeLessThan(5e-6);
        expect(deviation(reference, run(graph, inputs))).toBeLessThan(tolerance);
      }
    }
    await runtime.release();
  });
});

it("a FLUX.2 of klein's 5 and 20 blocks has as many operations as the original has layers", () => {
  const style: Flux2Style = { ...(STYLES2.torchscript as Flux2Style), heads: "constant" };
  const size = { ...TINY2, heads: 1, doubles: 5, singles: 20, mlp: 4, axes: [2, 2, 2, 2] };
  const graph = recognized(importBytes(buildFlux2(style, size)));
  const { counts, unrecognized } = summarizeRecognition(graph);
  expect(unrecognized).toEqual([]);
  expect(counts).toMatchObject({
    linear: 109,
    "layer-norm": 41,
    "rms-norm": 60,
    attention: 25,
    // That of the conditioning vector, which all four modulations read, is one.
    silu: 5 * 2 + 20 + 1 + 1,
  });
  const roles = graph.nodes.flatMap((node) => (node.op === "linear" ? [node.attrs.role ?? ""] : []));
  expect(roles.filter((role) => /^(double|single)\./.test(role))).toHaveLength(100);
});

describe("a graph that is no FLUX.2", () => {
  it("is told by the place where its own family stopped", () => {
    const style: Flux2Style = { ...(STYLES2.torchscript as Flux2Style), rotation: "half" };
    const graph = recognized(importBytes(buildFlux2(style, TINY2)));
    expect(graph.model).toBeUndefined();
    expect(whyUnrecognized(graph)?.expected).toMatch(/^queries and keys/);
  });
});
