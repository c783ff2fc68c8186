/** Kernels of decoders and encoders against the interpreter. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileGraph, portTypesOf } from "../../../compiler/compile-graph.js";
import { fileReader } from "../../../compiler/file-reader.js";
import type { Device } from "../../../runtime/device.js";
import { createNodeCpuDevice } from "../../../runtime/node/cpu.js";
import { createNodeWebGpuDevice } from "../../../runtime/node/webgpu-device.js";
import { cpu, type Target, webgpu } from "../../../targets/index.js";
import { runCompiled } from "../../support/run-compiled.js";
import { difference, expectedOf, FIXTURES, type Half, interpretNetwork, partOf } from "./networks.js";

const HALVES: readonly Half[] = ["vae_decoder", "vae_encoder"];
/** With all there is, and at sizes that no tile divides. */
const CASES = ["kl", "kl-quant-fp16-sharded", "flux2", "flux2-small-decoder-bf16"];

const DEVICES: readonly (readonly [Target, () => Promise<Device>])[] = [
  [cpu, () => createNodeCpuDevice({ threads: 2 })],
  [webgpu, () => createNodeWebGpuDevice({ software: "always" })],
];

describe.each(DEVICES)("on $name", (target, create) => {
  let device: Device;
  beforeAll(async () => {
    device = await create();
  });
  afterAll(() => device.close());

  it.each(CASES.flatMap((name) => HALVES.map((half) => [name, half] as const)))(
    "%s: %s",
    async (name, half) => {
      const part = partOf(join(FIXTURES, name), half);
      const { given, wanted } = expectedOf(join(FIXTURES, name))[half];
      const graph = part.build();
      const reader = fileReader();
      try {
        const sizes = { latent_height: 16, latent_width: 16 };
        const compiled = await compileGraph(graph, reader, {
          target,
          options: { ternarize: "none", activations: "f32" },
          sizes,
          planned: [sizes],
          batchAxes: new Map(),
          dtypes: portTypesOf(graph),
        });
        const inputs = new Map([[graph.inputs[0] ?? "", given]]);
        const found = (await runCompiled(compiled, reader, device, inputs)).get(graph.outputs[0] ?? "");
        if (found === undefined) throw new Error("no result");
        expect(difference(found, interpretNetwork(part, given))).toBeLessThan(1e-4);
        expect(difference(found, wanted)).toBeLessThan(1e-4);
      } finally {
        reader.close();
      }
    },
  );
});
