/**
 * Broken inputs through the command line: the exit code and the stable error code are right, the message names
 * what is wrong and what to try, nothing is printed on stdout, and no file is made, changed or removed.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { snapshot } from "../support/tree.js";
import { BUNDLE_CASES } from "./cases/bundles.js";
import type { CliCase, Fixture } from "./cases/case.js";
import { MODEL_CASES, WEIGHT_CASES } from "./cases/models.js";
import { OUTPUT_CASES } from "./cases/outputs.js";
import { SPECIAL_FILE_CASES } from "./cases/special-files.js";
import { INPUT_CASES, SAFETENSORS_CASES } from "./cases/tensors.js";
import { USAGE_CASES } from "./cases/usage.js";
import { VERIFY_CASES } from "./cases/verify.js";
import { makeFixture } from "./fixture.js";

const root = mkdtempSync(join(tmpdir(), "tritc-cli-"));
let fixture: Fixture;
beforeAll(async () => {
  fixture = await makeFixture(join(root, "fixture"));
}, 120_000);
afterAll(() => rmSync(root, { recursive: true }), 120_000);

const ALL: Readonly<Record<string, readonly CliCase[]>> = {
  "wrong usage": USAGE_CASES,
  "broken models": MODEL_CASES,
  "models that cannot be compiled": WEIGHT_CASES,
  "broken safetensors": SAFETENSORS_CASES,
  "wrong inputs": INPUT_CASES,
  "damaged bundles": BUNDLE_CASES,
  "bundles that open and are wrong": VERIFY_CASES,
  "outputs that must not be overwritten": OUTPUT_CASES,
  "pipes, devices and what never ends": SPECIAL_FILE_CASES,
};

it("has distinct cases", () => {
  const names = Object.values(ALL).flatMap((cases) => cases.map((c) => c.name));
  expect(new Set(names).size).toBe(names.length);
});

it("the valid files are accepted", async () => {
  const folder = mkdtempSync(join(root, "valid-"));
  const out = join(folder, "out.safetensors");
  for (const [model, inputs] of [
    [fixture.model, fixture.inputs],
    [fixture.generic, fixture.inputs],
    [fixture.bundle, fixture.bundleInputs],
  ] as const) {
    expect(await cli(["eval", model, "--inputs", inputs, "-o", out])).toMatchObject({ code: 0, stderr: "" });
  }
  expect(await cli(["verify", fixture.bundle])).toMatchObject({ code: 0, stderr: "" });
});

let count = 0;

describe.each(Object.entries(ALL))("%s", (_, cases) => {
  it.each(cases)("$name", async ({ exit = 1, code, message, setup }) => {
    const folder = join(root, `case-${count++}`);
    mkdirSync(folder);
    const argv = setup(folder, fixture);
    const before = snapshot(folder);
    const result = await cli(argv);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toContain(`\n  [${code}]\n`);
    expect(result.code).toBe(exit);
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(/^tritc: /);
    expect(result.stderr, "what to try").toMatch(/\n {2}try: {6}\S/);
    expect(result.stderr, "control characters").not.toMatch(/[^\P{Cc}\n]/u);
    expect(snapshot(folder)).toEqual(before);
  });
});
