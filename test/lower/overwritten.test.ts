/** Results that lie where an operand lay. */
import { describe, expect, it } from "vitest";
import { madeUpWeights, vaeDecoderGraph } from "../../benchmarks/vae-graph.js";
import { hoistStepInvariant } from "../../compiler/analysis/step-invariant.js";
import { planGraph } from "../../compiler/compile-graph.js";
import { overwritten } from "../../compiler/lower/overwritten.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { cpu, TARGETS } from "../../targets/index.js";

/** A residual block between two convolutions, with `more` nodes behind it, and its outputs. */
const block = (more = "", outputs = "%last", constant = "") =>
  parseGraph(`graph "block" {
  input %x: f32[1, 6, 5, 8]
  const %w: f32[8, 3, 3, 8] = file("f", 0, 2304)
  const %v: f32[8] = file("f", 2304, 32)
  ${constant}
  %a: f32[1, 6, 5, 8] = image-conv(%x, %w, %v) {"stride": 1, "pads": [1, 1, 1, 1], "upsample": 1}
  %n: f32[1, 6, 5, 8] = group-norm-rows(%a, %v, %v) {"groups": 2, "epsilon": 0.000001, "activation": "silu"}
  %b: f32[1, 6, 5, 8] = image-conv(%n, %w, %v) {"stride": 1, "pads": [1, 1, 1, 1], "upsample": 1}
  %m: f32[1, 6, 5, 8] = group-norm-rows(%b, %v, %v) {"groups": 2, "epsilon": 0.000001, "activation": "silu"}
  %sum: f32[1, 6, 5, 8] = image-conv(%m, %w, %v, %a) {"stride": 1, "pads": [1, 1, 1, 1], "upsample": 1}
  %last: f32[1, 6, 5, 8] = image-conv(%sum, %w, %v) {"stride": 1, "pads": [1, 1, 1, 1], "upsample": 1}
  ${more}
  output ${outputs}
}`);

describe("overwritten", () => {
  const over = (graph: ReturnType<typeof block>, overwrites = true) =>
    Object.fromEntries(overwritten(graph, hoistStepInvariant(graph), { overwrites }));

  it("takes what nothing reads behind: the norm's operand, and what a convolution is added to", () => {
    // %a is read again behind its norm.
    expect(over(block())).toEqual({ m: "b", sum: "a" });
  });

  it("leaves outputs and what other nodes give other names to alone", () => {
    expect(over(block("", "%last, %b, %a"))).toEqual({});
    const named = '%r: f32[30, 8] = reshape(%a, %s) {"allowZero": false}';
    expect(over(block(named, "%last, %r", "const %s: i64[2] = [30, 8]"))).toEqual({ m: "b" });
  });

  it("is nothing where a kernel must not", () => {
    expect(over(block(), false)).toEqual({});
    expect(TARGETS.filter((target) => target.language === "wgsl").every((t) => !t.overwrites)).toBe(true);
  });
});

it("the VAE's largest pictures lie where their operands lay", () => {
  const planned = (overwrites: boolean) =>
    planGraph(vaeDecoderGraph(), madeUpWeights, {
      target: { ...cpu, overwrites },
      options: { ternarize: "none", activations: "f32" },
      sizes: { latent_height: 128, latent_width: 128 },
      batchAxes: new Map(),
    }).lowered;
  const [apart, together] = [planned(false), planned(true)];
  verifyProgram(together.program);
  // 256 channels of a million pixels, once instead of twice; then twice 128.
  const picture = 128 * 1024 * 1024 * 4;
  expect(apart.memory.activations).toBeGreaterThan(5 * picture);
  expect(together.memory.activations).toBeLessThan(4.2 * picture);
});
