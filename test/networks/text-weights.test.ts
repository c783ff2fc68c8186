/** What text encoders' weights are held in: as they are stored, or as somebody asks. */
import { afterAll, describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { compileNetwork } from "../../compiler/networks/compile.js";
import type { NetworkName } from "../../compiler/networks/part.js";
import { textNetwork } from "../../compiler/networks/text/index.js";
import { asStored, type TextWeights } from "../../compiler/networks/text-weights.js";
import { cpu } from "../../targets/index.js";
import { fixtureFolder } from "./fixture.js";

const reader = fileReader();
afterAll(() => reader.close());

const SAMPLING = {
  ...{ pixelsPerToken: 8, textLength: 16, steps: 1, guidance: null, condition: null },
  ...{ referenceTokens: 0, scheduler: null },
};

function compile(fixture: string, textWeights?: TextWeights, name: NetworkName = "text_encoder") {
  const folder = fixtureFolder(fixture);
  const part = { name, folder, ...textNetwork(folder, "FluxPipeline") };
  return compileNetwork(part, reader, {
    target: cpu,
    drawing: { resolutions: [{ width: 64, height: 64 }], sampling: SAMPLING },
    limitBytes: null,
    textWeights,
    codegen: () => ({}),
  });
}

it.each([
  ["t5-gated", "bf16"],
  ["clip-new", "f32"],
  ["t5-relu", "f32"],
] as const)("%s is held in %s unless somebody says otherwise", async (fixture, wanted) => {
  expect(asStored(textNetwork(fixtureFolder(fixture), "FluxPipeline").build())).toBe(wanted);
  expect((await compile(fixture)).held).toBe(wanted);
});

describe("t5-wide", () => {
  it("takes less on the device the narrower its weights are", async () => {
    const bytes: number[] = [];
    for (const form of ["f32", "bf16", "int8", "int4"] as const) {
      const { held, lowered, peakBytes } = await compile("t5-wide", form);
      expect(held).toBe(form);
      expect(lowered.program.kernels.some(({ params }) => "held" in params && params.held === form)).toBe(
        form !== "f32",
      );
      bytes.push(peakBytes);
    }
    expect(bytes).toEqual([...bytes].sort((a, b) => b - a));
    // Memory comes in pages.
    expect(bytes.at(-1)).toBeLessThan(bytes[0] ?? 0);
  });

  it("is held in f32 where it is no text encoder", async () => {
    expect((await compile("t5-wide", "int4", "vae_decoder")).held).toBe("f32");
  });
});
