/** Text encoders compiled for a device give what their original classes give. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileGraph, portTypesOf } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { textNetwork } from "../../compiler/networks/text/index.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";
import { casesOf, fixtureFolder } from "./fixture.js";

const reader = fileReader();
let device: Device;
beforeAll(async () => {
  device = await createNodeCpuDevice({ threads: 2 });
});
afterAll(async () => {
  await device.close();
  reader.close();
});

const PLANNED = { textTokens: 160, height: 64, width: 64 };

describe.each([
  ["clip-old", "FluxPipeline"],
  ["clip-new", "FluxPipeline"],
  ["t5-gated", "FluxPipeline"],
  ["t5-relu", "FluxPipeline"],
  ["t5-gated", "ChromaPipeline"],
  ["qwen3-tied", "Flux2KleinPipeline"],
  ["qwen3-last", "Flux2KleinPipeline"],
])("%s of a %s on the cpu target", (name, className) => {
  const network = textNetwork(fixtureFolder(name), className);
  const built = network.build();

  it("gives the original's results", async () => {
    const compiled = await compileGraph(built, reader, {
      target: cpu,
      options: { ternarize: "none", activations: "f32" },
      sizes: network.sizes(PLANNED),
      batchAxes: new Map(),
      dtypes: portTypesOf(built),
    });
    for (const given of casesOf(name)) {
      const inputs = new Map(built.inputs.map((id) => [id, given.get(id) as Tensor]));
      const found = await runCompiled(compiled, reader, device, inputs);
      for (const id of built.outputs) {
        const wanted = given.get(className === "ChromaPipeline" ? "masked_hidden_state" : id);
        expect(found.get(id)?.shape).toEqual(wanted?.shape);
        expect(relativeError(found.get(id), wanted), id).toBeLessThan(1e-4);
      }
    }
  });
});
