/** Decoders and encoders, built from Diffusers' folders, give what Diffusers' own classes give (`fixtures/make.py`). */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { verifyGraph } from "../../../ir/graph/verify.js";
import { difference, expectedOf, FIXTURES, type Half, interpretNetwork, partOf } from "./networks.js";

const CASES = ["kl", "kl-quant-fp16-sharded", "kl-no-attention", "flux2", "flux2-small-decoder-bf16"];
const HALVES: readonly Half[] = ["vae_decoder", "vae_encoder"];

describe.each(CASES)("%s", (name) => {
  const folder = join(FIXTURES, name);

  it.each(HALVES)("%s gives what the class gives", (half) => {
    const { given, wanted } = expectedOf(folder)[half];
    const part = partOf(folder, half);
    verifyGraph(part.build());
    const found = interpretNetwork(part, given);
    expect(Math.max(...Array.from(wanted.data, Number))).toBeGreaterThan(0.05);
    expect(difference(found, wanted)).toBeLessThan(1e-5);
  });
});
