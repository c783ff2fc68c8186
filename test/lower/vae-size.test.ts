/** The decoder of FLUX.1's autoencoder, planned for browsers at their default limits. */
import { expect, it } from "vitest";
import { madeUpWeights, vaeDecoderGraph } from "../../benchmarks/vae-graph.js";
import { planGraph } from "../../compiler/compile-graph.js";
import { TritcError } from "../../ir/errors.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { webgpu } from "../../targets/index.js";
import { expectToFit } from "../support/webgpu-limits.js";

function planned(height: number, width: number) {
  const sizes = { latent_height: height / 8, latent_width: width / 8 };
  const { lowered } = planGraph(vaeDecoderGraph(), madeUpWeights, {
    target: webgpu,
    options: { ternarize: "none", activations: "f32" },
    sizes,
    batchAxes: new Map(),
  });
  return { lowered, sizes };
}

it.each([
  [256, 256],
  [512, 512],
  [376, 680],
])("fits the default limits of WebGPU at %i x %i", (height, width) => {
  const { lowered, sizes } = planned(height, width);
  expectToFit(lowered, sizes);
  verifyProgram(lowered.program);
});

it("is refused where one of its values is larger than a buffer", () => {
  expect(() => planned(512, 528)).toThrow(TritcError);
  expect(() => planned(512, 528)).toThrow(/image-conv|up_blocks/);
});
