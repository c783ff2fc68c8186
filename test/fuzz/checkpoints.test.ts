/** Damaged Diffusers folders and adapters end in a typed error, or in a graph that holds together. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { withHeader } from "../../benchmarks/fuzz/mutate-checkpoint.js";
import { recognize, withAdapters } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { TritcError } from "../../ir/errors.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { diffusersConfig, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { TINY } from "../support/flux-style.js";
import { loraFile, PEFT } from "../support/lora-file.js";
import { modelFiles } from "../support/model-files.js";
import { type Dice, dice, mutateBytes, mutateJson } from "../support/mutate.js";

const { root } = modelFiles();
const reader = fileReader();
afterAll(() => reader.close());

const size = { ...TINY, singles: 1 };
const model = fluxModel(size);
const folder = join(root, "model");
writeDiffusers(folder, diffusersConfig(size), model.diffusers, 2);

/** How many of the rounds gave a result. Anything thrown but a TritcError fails the test. */
function rounds(count: number, run: (roll: Dice) => unknown): number {
  let accepted = 0;
  for (let seed = 1; seed <= count; seed++) {
    try {
      run(dice(seed));
      accepted++;
    } catch (error) {
      if (!(error instanceof TritcError)) throw new Error(`seed ${seed}`, { cause: error });
      expect(error.code).toMatch(/^TRITC_E_(CHECKPOINT|SAFETENSORS|LORA)$/);
    }
  }
  return accepted;
}

describe.each([
  ["config.json", 400],
  ["diffusion_pytorch_model.safetensors.index.json", 150],
])("%s", (name, count) => {
  const path = join(folder, name);
  const bytes = readFileSync(path);
  const source: unknown = JSON.parse(bytes.toString());
  afterAll(() => writeFileSync(path, bytes));

  it("with other values", () => {
    rounds(count, (roll) => {
      writeFileSync(path, JSON.stringify(mutateJson(source, roll)));
      verifyGraph(importModel(folder));
    });
  });

  it("with other bytes", () => {
    rounds(count, (roll) => {
      writeFileSync(path, mutateBytes(bytes, roll));
      verifyGraph(importModel(folder));
    });
  });
});

it("a part's header", () => {
  const path = join(folder, "diffusion_pytorch_model-00002-of-00002.safetensors");
  const bytes = readFileSync(path);
  rounds(150, (roll) => {
    writeFileSync(
      path,
      withHeader(bytes, (header) => mutateJson(header, roll)),
    );
    verifyGraph(importModel(folder));
  });
  writeFileSync(path, bytes);
});

it("an adapter", () => {
  const path = join(root, "lora.safetensors");
  const recognized = recognize(importModel(folder), reader);
  const modules = [
    { name: "transformer.transformer_blocks.0.attn.to_q", roles: ["double.0.img.q"], rank: 2, alpha: 1 },
    { name: "transformer.norm_out.linear", roles: ["norm_out.scale", "norm_out.shift"], rank: 1 },
  ];
  const { bytes } = loraFile(modules, model.weights, PEFT);
  const merge = () => verifyGraph(withAdapters(recognized, [{ file: path, scale: 1 }], reader).graph);
  const accepted = rounds(200, (roll) => {
    writeFileSync(path, mutateBytes(bytes, roll));
    merge();
  });
  rounds(400, (roll) => {
    writeFileSync(
      path,
      withHeader(bytes, (header) => mutateJson(header, roll)),
    );
    merge();
  });
  expect(accepted).toBeGreaterThan(0);
});
