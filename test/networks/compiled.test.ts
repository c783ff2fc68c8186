/** Text encoders compiled for devices give what their original classes give. */
import { afterAll, describe, expect, it } from "vitest";
import { type Compiled, compileGraph, portTypesOf } from "../../compiler/compile-graph.js";
import { evaluateModel } from "../../compiler/evaluate.js";
import { fileReader } from "../../compiler/file-reader.js";
import { textNetwork } from "../../compiler/networks/text/index.js";
import type { TextWeights } from "../../compiler/networks/text-weights.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { Tensor } from "../../ir/tensor.js";
import { emulated } from "../support/emulated.js";
import { cudaDevices, type KernelDevices, wasmDevices, wgslDevices } from "../support/kernel-devices.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";
import { casesOf, fixtureFolder } from "./fixture.js";

const reader = fileReader();
afterAll(() => reader.close());

const PLANNED = { textTokens: 160, height: 64, width: 64 };
/** Fixture, class of the pipeline, and whether it is run on every target, not on the cpu alone. */
const NETWORKS = [
  ["clip-old", "FluxPipeline", true],
  ["clip-new", "FluxPipeline", false],
  ["t5-gated", "FluxPipeline", false],
  ["t5-relu", "FluxPipeline", true],
  ["t5-gated", "ChromaPipeline", true],
  ["qwen3-tied", "Flux2KleinPipeline", true],
  ["qwen3-last", "Flux2KleinPipeline", false],
] as const;

const KINDS: readonly (readonly [string, KernelDevices, string])[] = [
  ["cpu", wasmDevices(), "two"],
  ["webgpu", wgslDevices(), "plain"],
  ["cuda", cudaDevices("sm_86", ["forward"]), "forward"],
];

function compiled(
  built: Graph,
  { target }: KernelDevices,
  sizes: Readonly<Record<string, number>>,
  weights: TextWeights = "f32",
  products?: "tf32",
) {
  const stages = {
    target,
    options: { ternarize: "none", activations: "f32", weights },
    sizes,
    batchAxes: new Map(),
    dtypes: portTypesOf(built),
    products,
  } as const;
  if (target.cuda === undefined) return compileGraph(built, reader, stages);
  return compileGraph(built, reader, { ...stages, codegen: { emit: "source" } }).then(emulated);
}

it("with its table of words in parts, as a device with small bindings needs it", async () => {
  const [, kind, name] = KINDS[0] ?? [];
  const device = kind?.devices()[name ?? ""];
  if (kind === undefined || device === undefined) throw new Error("no device");
  const built = textNetwork(fixtureFolder("clip-old"), "FluxPipeline").build();
  // 40 words of 16 channels take 2560 bytes; everything else is smaller.
  const limits = { ...kind.target.limits, maxBindingBytes: 2048 };
  const program = await compiled(built, { ...kind, target: { ...kind.target, limits } }, {});
  expect(program.graph.nodes.filter(({ op }) => op === "gather").length).toBe(3);
  for (const given of casesOf("clip-old")) {
    const inputs = new Map(built.inputs.map((id) => [id, given.get(id) as Tensor]));
    const found = await runCompiled(program, reader, device, inputs);
    expect(relativeError(found.get("pooler_output"), given.get("pooler_output"))).toBeLessThan(1e-4);
  }
});

describe.each([
  ["bf16", 0, 1e-5],
  ["int8", 1e-4, 0.05],
  ["int4", 0.01, 0.5],
] as const)("with weights held in %s", (weights, least, most) => {
  const built = textNetwork(fixtureFolder("t5-wide"), "FluxPipeline").build();
  const [given] = casesOf("t5-wide");
  if (given === undefined) throw new Error("no case");
  const inputs = new Map([["input_ids", given.get("input_ids") as Tensor]]);

  // The file has bf16. T5 does not scale its scores, so that random weights lose more than trained ones.
  it.each(KINDS)(
    `the %s target loses what ${weights} loses`,
    async (_, kind, name) => {
      const device = kind.devices()[name];
      if (device === undefined) throw new Error("no device");
      const program = await compiled(built, kind, { tokens: 32 }, weights);
      const found = (await runCompiled(program, reader, device, inputs)).get("last_hidden_state");
      const lost = relativeError(found, given.get("last_hidden_state"));
      expect(lost).toBeGreaterThanOrEqual(least);
      expect(lost).toBeLessThan(most);
      const narrow = evaluateModel(program.graph, inputs, { reader }).get("last_hidden_state");
      expect(relativeError(found, narrow)).toBeLessThan(1e-5);
    },
    120_000,
  );
});

// Random weights make more of what rounding leaves than trained ones do.
it.each([
  ["clip-old", "FluxPipeline"],
  ["t5-wide", "FluxPipeline"],
  ["qwen3-tied", "Flux2KleinPipeline"],
])(
  "products of tf32 on cuda: %s of a %s",
  async (fixture, className) => {
    const kind = KINDS[2]?.[1];
    const device = kind?.devices().forward;
    if (kind === undefined || device === undefined) throw new Error("no device");
    const network = textNetwork(fixtureFolder(fixture), className);
    const built = network.build();
    const [given] = casesOf(fixture);
    if (given === undefined) throw new Error("no case");
    const inputs = new Map(built.inputs.map((id) => [id, given.get(id) as Tensor]));
    const program = await compiled(built, kind, network.sizes(PLANNED), "f32", "tf32");
    const variants = program.lowered.kernels.map(({ kernel }) => kernel.config.variant);
    expect(variants).toContain("tf32");
    const found = await runCompiled(program, reader, device, inputs);
    for (const id of built.outputs) {
      const lost = relativeError(found.get(id), given.get(id));
      expect(lost).toBeGreaterThan(1e-6);
      expect(lost).toBeLessThan(5e-3);
    }
  },
  120_000,
);

describe.each(KINDS)("on the %s target", (target, kind, name) => {
  const networks = NETWORKS.filter(([, , everywhere]) => everywhere || target === "cpu");
  it.each(networks)(
    "%s of a %s gives the original's results",
    async (fixture, className) => {
      const network = textNetwork(fixtureFolder(fixture), className);
      const built = network.build();
      const program: Compiled = await compiled(built, kind, network.sizes(PLANNED));
      const device = kind.devices()[name];
      if (device === undefined) throw new Error("no device");
      for (const given of casesOf(fixture)) {
        const inputs = new Map(built.inputs.map((id) => [id, given.get(id) as Tensor]));
        const found = await runCompiled(program, reader, device, inputs);
        for (const id of built.outputs) {
          const wanted = given.get(className === "ChromaPipeline" ? "masked_hidden_state" : id);
          expect(found.get(id)?.shape).toEqual(wanted?.shape);
          expect(relativeError(found.get(id), wanted), id).toBeLessThan(1e-4);
        }
      }
    },
    120_000,
  );
});
