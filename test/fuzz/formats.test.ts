/**
 * Damaged files of every format that is read, from fixed seeds: each is either accepted or refused with a
 * TritcError, never with another exception, and never slowly.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { TritcError } from "../../ir/errors.js";
import { parseManifest } from "../../ir/format/manifest.js";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { parseProgram } from "../../ir/program/json.js";
import type { Tensor } from "../../ir/tensor.js";
import { cpu } from "../../targets/index.js";
import { makeFixture } from "../cli/fixture.js";
import { type Dice, dice, mutateBytes, mutateJson, mutateText } from "../support/mutate.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-formats-"));
const texts = new Map<string, string>();
let model = new Uint8Array();
beforeAll(async () => {
  const { bundle, generic, model: path } = await makeFixture(folder);
  model = readFileSync(path);
  texts.set("manifest.json", readFileSync(join(generic, "manifest.json"), "utf8"));
  texts.set("program.json", readFileSync(join(generic, "program.json"), "utf8"));
  texts.set("graph.ir", readFileSync(join(bundle, "graph.ir"), "utf8"));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }), 60_000);

function seed(name: string): string {
  const text = texts.get(name);
  if (text === undefined) throw new Error(`no ${name}`);
  return text;
}

/** Runs rounds for at most ten seconds; gives how many were accepted. */
async function rounds(count: number, attempt: (roll: Dice) => unknown): Promise<number> {
  let accepted = 0;
  const end = performance.now() + 10_000;
  for (let round = 1; round <= count && performance.now() < end; round++) {
    try {
      await attempt(dice(round));
      accepted++;
    } catch (error) {
      if (!(error instanceof TritcError)) throw new Error(`round ${round}`, { cause: error });
      expect(error.details.remedy, error.message).toBeTruthy();
      expect(error.message, `round ${round}`).not.toMatch(/[^\P{Cc}\n]/u);
    }
  }
  return accepted;
}

describe("damaged files are refused in an orderly way", () => {
  const tensors: ReadonlyMap<string, Tensor> = new Map<string, Tensor>([
    ["x", { dtype: "f32", shape: [2, 3], data: new Float32Array(6) }],
    ["ids", { dtype: "i64", shape: [2], data: new BigInt64Array(2) }],
    ["h", { dtype: "f16", shape: [5], data: new Float32Array(5) }],
    ["mask", { dtype: "bool", shape: [1, 3], data: new Uint8Array(3) }],
  ]);

  it("safetensors: bytes", async () => {
    const source = serialize(tensors, { format: "pt" });
    const accepted = await rounds(3000, (roll) => parseSafetensors(mutateBytes(source, roll), "file"));
    expect(accepted).toBeLessThan(1000);
  });

  it("safetensors: header", async () => {
    const source = serialize(tensors, { format: "pt" });
    const length = Number(new DataView(source.buffer).getBigUint64(0, true));
    const header: unknown = JSON.parse(new TextDecoder().decode(source.subarray(8, 8 + length)));
    await rounds(3000, (roll) => {
      const text = new TextEncoder().encode(JSON.stringify(mutateJson(header, roll)));
      const bytes = new Uint8Array(8 + text.length + source.length - 8 - length);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
      bytes.set(text, 8);
      bytes.set(source.subarray(8 + length), 8 + text.length);
      return parseSafetensors(bytes, "file");
    });
  });

  it.each([
    ["manifest.json", parseManifest],
    ["program.json", parseProgram],
  ] as const)("%s", async (name, parse) => {
    const source: unknown = JSON.parse(seed(name));
    await rounds(1500, (roll) => parse(JSON.stringify(mutateJson(source, roll))));
    const bytes = new TextEncoder().encode(seed(name));
    await rounds(500, (roll) => parse(new TextDecoder().decode(mutateBytes(bytes, roll))));
  });

  it("graph.ir", async () => {
    await rounds(600, (roll) => verifyGraph(parseGraph(mutateText(seed("graph.ir"), roll), "graph.ir")));
  });

  it("graph.ir nested without end", async () => {
    const text = `graph "g" { const %c: f32[1] = ${"cast(f32[1] ".repeat(100_000)}`;
    expect(await rounds(1, () => parseGraph(text, "graph.ir"))).toBe(0);
  });

  it("ONNX, through the whole compiler", async () => {
    const path = join(folder, "damaged.onnx");
    const options = { ternarize: "none", activations: "f32" } as const;
    const stages = { target: cpu, options, sizes: {}, batchAxes: new Map<string, null>() };
    const accepted = await rounds(400, async (roll) => {
      writeFileSync(path, mutateBytes(model, roll));
      const fresh = fileReader();
      try {
        await compileGraph(recognize(importOnnx(path), fresh), fresh, stages);
      } finally {
        fresh.close();
      }
    });
    expect(accepted).toBeGreaterThan(0);
  });
});
