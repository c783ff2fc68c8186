/** Pictures whose channels are cut in two, as devices with small bindings need it: of whole VAEs, and where it ends. */
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { largePictures } from "../../compiler/analysis/large-pictures.js";
import { compileGraph, portTypesOf } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { UNLIMITED } from "../../compiler/pass.js";
import { splitPictures } from "../../compiler/passes/split-pictures.js";
import type { Graph, Node, ValueType } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { difference, expectedOf, FIXTURES, type Half, partOf } from "../networks/vae/networks.js";
import { runCompiled } from "../support/run-compiled.js";

const reader = fileReader();
afterAll(() => reader.close());

const SIZES = { latent_height: 3, latent_width: 2 };

function split(graph: Graph, maxBindingBytes: number): Graph {
  const limits = { ...UNLIMITED, maxBindingBytes };
  const options = { ternarize: "none", activations: "f32", bindings: {}, sizes: SIZES, limits } as const;
  return splitPictures.run(graph, { reader, options });
}

function run(graph: Graph, given: Tensor): Tensor {
  const [output = ""] = graph.outputs;
  return interpret(graph, new Map([[graph.inputs[0] ?? "", given]]), { reader }).get(output) as Tensor;
}

/** The largest picture that a convolution reads as a whole, in bytes, of those that have two halves. */
function largestRead({ nodes, types }: Graph): number {
  const bytes = nodes.flatMap((node) => {
    if (node.op !== "image-conv") return [];
    const [, height = 0, width = 0, channels = 0] = types.get(node.inputs[0] ?? "")?.shape ?? [];
    if (Number(channels) % 2 !== 0) return [];
    const pixels = [height, width].map((dim) =>
      String(dim)
        .split("*")
        .map((factor) => ({ latent_height: 3, latent_width: 2 })[factor] ?? Number(factor))
        .reduce((a, b) => a * b, 1),
    );
    return [4 * Number(channels) * (pixels[0] ?? 0) * (pixels[1] ?? 0)];
  });
  return Math.max(...bytes);
}

describe.each<[string, Half]>([
  ["kl", "vae_decoder"],
  ["kl", "vae_encoder"],
  ["flux2", "vae_decoder"],
  ["flux2", "vae_encoder"],
])("%s: %s", (name, half) => {
  const { given, wanted } = expectedOf(join(FIXTURES, name))[half];
  const graph = partOf(join(FIXTURES, name), half).build();
  const most = largestRead(graph);

  it("gives the same with its large pictures in halves", () => {
    const cut = split(graph, most / 2);
    verifyGraph(cut);
    expect(largestRead(cut)).toBe(most / 2);
    expect(cut.nodes.filter(({ op }) => op === "image-conv").length).toBeGreaterThan(
      graph.nodes.filter(({ op }) => op === "image-conv").length + 2,
    );
    expect(difference(run(cut, given), wanted)).toBeLessThan(1e-5);
  });

  it("stays as it is where pictures fit, or halves do not", () => {
    expect(split(graph, most)).toBe(graph);
    expect(largestRead(split(graph, most / 2 - 1))).toBe(most);
  });

  it("gives the same on a device", async () => {
    const cut = split(graph, most / 2);
    const compiled = await compileGraph(cut, reader, {
      target: cpu,
      options: { ternarize: "none", activations: "f32" },
      sizes: SIZES,
      planned: [SIZES],
      batchAxes: new Map(),
      dtypes: portTypesOf(cut),
    });
    const device = await createNodeCpuDevice({ threads: 1 });
    try {
      const inputs = new Map([[cut.inputs[0] ?? "", given]]);
      const found = (await runCompiled(compiled, reader, device, inputs)).get(cut.outputs[0] ?? "");
      expect(difference(found as Tensor, wanted)).toBeLessThan(1e-4);
    } finally {
      await device.close();
    }
  });
});

describe("pictures that stay whole", () => {
  const picture = { dtype: "f32", shape: [1, 8, 8, 4] } as const;
  const conv = (x: string, y: string, residual: string | null = null): Node => ({
    op: "image-conv",
    inputs: [x, "w", null, residual],
    outputs: [y],
    attrs: { stride: 1, pads: [0, 0, 0, 0], upsample: 1 },
  });
  const graphOf = (nodes: readonly Node[], outputs: readonly string[], inputs = ["x"]): Graph => ({
    name: "g",
    inputs,
    outputs,
    types: new Map<string, ValueType>([
      ...[...inputs, ...nodes.flatMap((node) => node.outputs)].map((id) => [id, picture] as const),
      ["w", { dtype: "f32", shape: [4, 1, 1, 4] }],
    ]),
    constants: new Map([["w", { dtype: "f32", shape: [4, 1, 1, 4], source: { kind: "fill", value: 1 } }]]),
    nodes,
  });
  const large = (graph: Graph) => [...largePictures(graph, 600, {})];

  it("are those that something else reads, makes or gives", () => {
    expect(large(graphOf([conv("x", "a"), conv("a", "y")], ["y"]))).toEqual(["a"]);
    expect(large(graphOf([conv("x", "a"), conv("a", "y")], ["y", "a"]))).toEqual([]);
    const relu: Node = { op: "unary", inputs: ["a"], outputs: ["r"], attrs: { fn: "relu" } };
    expect(large(graphOf([conv("x", "a"), relu, conv("r", "y")], ["y"]))).toEqual([]);
  });

  it("are those that are added to what stays whole, and so on", () => {
    const added = [conv("x", "a"), conv("a", "b", "x"), conv("b", "c", "a"), conv("c", "y")];
    // b has the whole x added, c has a added, and a is read by c alone as what c is.
    expect(large(graphOf(added, ["y"]))).toEqual(["a", "c"]);
    expect(large(graphOf([conv("x", "a"), conv("a", "y", "a")], ["y"]))).toEqual([]);
  });
});
