/** The script that measures a bundle's steps, on one that computes pictures to draw after by themselves. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, expect, it, vi } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { writeFlux2Pipeline } from "../support/flux2-pipeline.js";
import { modelFiles } from "../support/model-files.js";

const { root } = modelFiles();
const bundle = join(root, "bundle");

beforeAll(async () => {
  const input = writeFlux2Pipeline(join(root, "pipeline"), true);
  const index = { _class_name: "Flux2KleinKVPipeline", is_distilled: true };
  writeFileSync(join(input, "model_index.json"), JSON.stringify(index));
  const report = await compileModel({
    ...{ input, out: bundle, target: "cpu", ternarize: "exact", activations: "int8" },
    resolutions: [{ width: 16, height: 16 }],
  });
  expect(report.drawing?.sampling).toMatchObject({ cachesReferences: true });
}, 60_000);
afterEach(() => vi.restoreAllMocks());

/** What the script prints. */
async function measured(...args: readonly string[]): Promise<string> {
  const printed = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  vi.spyOn(process, "argv", "get").mockReturnValue(["node", "bundle-step.js", bundle, ...args]);
  await import("../../benchmarks/bundle-step.js");
  const text = printed.mock.calls.map(([part]) => part).join("");
  vi.restoreAllMocks();
  vi.resetModules();
  return text;
}

const bytesIn = (text: string) => /([\d.]+ \w?B) at most/.exec(text)?.[1] ?? expect.fail(text);

it("measures without pictures to draw after, or with so many tokens of them", async () => {
  const without = await measured("--threads", "1", "--steps", "3");
  expect(without).toMatch(/^16x16, cpu: /);
  expect(without.match(/^step /gm)).toHaveLength(3);
  expect(without.match(/^prompt, all steps /gm)).toHaveLength(1);
  const some = await measured("--threads", "1", "--references", "600");
  expect(some.match(/^step /gm)).toHaveLength(2);
  // Their keys and values take memory.
  expect(bytesIn(some)).not.toBe(bytesIn(without));
}, 60_000);
