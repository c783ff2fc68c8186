/** Every command that reads a bundle holds the files it uses against the manifest. */
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFixture } from "../cli/fixture.js";
import { cli } from "../support/cli.js";

const root = mkdtempSync(join(tmpdir(), "tritc-listed-"));
afterAll(() => rmSync(root, { recursive: true }));
const bundle = join(root, "bundle");
const copy = join(root, "copy");
let inputs = "";

beforeAll(async () => {
  const fixture = await makeFixture(join(root, "fixture"));
  inputs = fixture.inputs;
  const argv = ["compile", fixture.model, "--target", "cpu", "--ternarize", "none", "-o", bundle];
  expect((await cli(argv)).code).toBe(0);
}, 60_000);

const COMMANDS: Readonly<Record<string, () => readonly string[]>> = {
  report: () => ["report", copy, "-o", join(root, "report.html")],
  "export-onnx": () => ["export-onnx", copy, "-o", join(root, "exported")],
  eval: () => ["eval", copy, "--inputs", inputs, "-o", join(root, "out.safetensors")],
  "eval --interpret": () => [
    ...["eval", copy, "--interpret", "--inputs", inputs, "-o", join(root, "out.safetensors")],
  ],
  verify: () => ["verify", copy],
  "pack-runner": () => ["pack-runner", copy, "-o", join(root, "runner.tar.gz")],
};

/** One bit of the last byte but one: texts stay well formed, weights finite. */
function change(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length - 2;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

const USED: readonly (readonly [command: string, file: string])[] = [
  ["report", "program.json"],
  ...["program.json", "graph.ir", "weights.safetensors"].flatMap((file) =>
    ["export-onnx", "eval", "eval --interpret", "verify", "pack-runner"].map((name) => [name, file] as const),
  ),
];

describe.each(USED)("%s with another %s", (name, file) => {
  it.each([
    ["changed", change, "was changed after it was written"],
    ["cut", (path: string) => truncateSync(path, 100), "does not have its size"],
  ])("%s", async (_, spoil, message) => {
    rmSync(copy, { recursive: true, force: true });
    cpSync(bundle, copy, { recursive: true });
    spoil(join(copy, file));
    const { code, stderr } = await cli(COMMANDS[name]?.() ?? []);
    expect(stderr).toContain("TRITC_E_BUNDLE_FILE");
    expect(stderr).toContain(`the bundle's file ${message}`);
    expect(stderr).toContain(join(copy, file));
    expect(code).toBe(1);
  });
});
