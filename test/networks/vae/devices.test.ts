/** Decoders and encoders compiled for devices give what the interpreter and the original classes give. */
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Compiled, compileGraph, portTypesOf } from "../../../compiler/compile-graph.js";
import { fileReader } from "../../../compiler/file-reader.js";
import type { Graph } from "../../../ir/graph/graph.js";
import { emulated } from "../../support/emulated.js";
import { cudaDevices, type KernelDevices, wasmDevices, wgslDevices } from "../../support/kernel-devices.js";
import { runCompiled } from "../../support/run-compiled.js";
import { difference, expectedOf, FIXTURES, type Half, interpretNetwork, partOf } from "./networks.js";

const reader = fileReader();
afterAll(() => reader.close());

/** With all there is, and at sizes that no tile divides. */
const NETWORKS: readonly (readonly [string, Half])[] = [
  ["kl", "vae_decoder"],
  ["kl", "vae_encoder"],
  ["kl-quant-fp16-sharded", "vae_decoder"],
  ["kl-quant-fp16-sharded", "vae_encoder"],
  ["flux2", "vae_decoder"],
  ["flux2", "vae_encoder"],
  ["flux2-small-decoder-bf16", "vae_decoder"],
];

const KINDS: readonly (readonly [string, KernelDevices, string, typeof NETWORKS])[] = [
  ["cpu", wasmDevices(), "two", NETWORKS],
  // The kernels of the others differ in their sizes alone.
  ["webgpu", wgslDevices(), "plain", NETWORKS.filter(([name]) => ["kl", "flux2"].includes(name))],
  ["cuda", cudaDevices("sm_86", ["forward"]), "forward", [NETWORKS[0]!, NETWORKS[5]!]],
];

async function compiled(graph: Graph, { target }: KernelDevices, products?: "tf32"): Promise<Compiled> {
  const sizes = { latent_height: 16, latent_width: 16 };
  const stages = {
    target,
    options: { ternarize: "none", activations: "f32" },
    sizes,
    planned: [sizes],
    batchAxes: new Map(),
    dtypes: portTypesOf(graph),
    products,
  } as const;
  if (target.cuda === undefined) return compileGraph(graph, reader, stages);
  return emulated(await compileGraph(graph, reader, { ...stages, codegen: { emit: "source" } }));
}

describe.each(KINDS)("on %s", (_, kind, device, networks) => {
  it.each(networks)("%s: %s", async (name, half) => {
    const part = partOf(join(FIXTURES, name), half);
    const { given, wanted } = expectedOf(join(FIXTURES, name))[half];
    const graph = part.build();
    const inputs = new Map([[graph.inputs[0] ?? "", given]]);
    const found = await runCompiled(await compiled(graph, kind), reader, kind.devices()[device]!, inputs);
    const output = found.get(graph.outputs[0] ?? "");
    if (output === undefined) throw new Error("no result");
    expect(difference(output, interpretNetwork(part, given))).toBeLessThan(1e-4);
    expect(difference(output, wanted)).toBeLessThan(1e-4);
  });
});

describe("products of tf32 on cuda", () => {
  const kind = cudaDevices("sm_86", ["forward"]);
  it.each([NETWORKS[0]!, NETWORKS[5]!])("%s: %s", async (name, half) => {
    const part = partOf(join(FIXTURES, name), half);
    const { given } = expectedOf(join(FIXTURES, name))[half];
    const graph = part.build();
    const program = await compiled(graph, kind, "tf32");
    const multiplying = program.lowered.kernels.filter(({ kernel: { family } }) =>
      ["image-conv", "dense-gemm"].includes(family),
    );
    expect(multiplying.length).toBeGreaterThan(3);
    expect(new Set(multiplying.map(({ kernel }) => kernel.config.variant))).toEqual(new Set(["tf32"]));
    const inputs = new Map([[graph.inputs[0] ?? "", given]]);
    const found = await runCompiled(program, reader, kind.devices().forward!, inputs);
    const output = found.get(graph.outputs[0] ?? "");
    if (output === undefined) throw new Error("no result");
    const lost = difference(output, interpretNetwork(part, given));
    expect(lost).toBeGreaterThan(1e-6);
    expect(lost).toBeLessThan(5e-3);
  });
});
