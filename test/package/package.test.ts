/** The package as users get it: what is in it, what it says where packages are missing, its types. */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installPackage } from "./install.js";

const ROOT = join(import.meta.dirname, "../..");
const app = realpathSync(mkdtempSync(join(tmpdir(), "tritc-package-")));
const home = join(app, "node_modules/tritc");
const tritc = (...argv: readonly string[]) =>
  execa(join(app, "node_modules/.bin/tritc"), argv, { cwd: app, reject: false });

beforeAll(() => installPackage(app, { beside: ["@types/node"] }), 120_000);
afterAll(() => rmSync(app, { recursive: true }));

describe("the package", () => {
  it("holds what runs and what explains it, no tests and no benchmarks, in less than 7 MB", () => {
    expect(readdirSync(home).sort()).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "NOTICE",
      "README.md",
      "SECURITY.md",
      "dist",
      "docs",
      "package.json",
      "targets",
      "templates",
    ]);
    expect(readdirSync(join(home, "targets"), { recursive: true }).sort()).toEqual([
      "cpu",
      "cpu/tuned.jsonl",
    ]);
    expect(readdirSync(join(home, "dist")).sort()).toEqual([
      "compiler",
      "ir",
      "runtime",
      "sample-model",
      "targets",
      "templates",
      "vendor",
    ]);
    const [archive] = readdirSync(app).filter((name) => name.endsWith(".tgz"));
    expect(statSync(join(app, archive ?? "none")).size).toBeLessThan(7e6);
  });

  it("pulls no package with an install script", () => {
    const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
      readonly packages: Readonly<
        Record<string, { readonly dev?: boolean; readonly hasInstallScript?: boolean }>
      >;
    };
    const withScripts = Object.entries(lock.packages).filter(([, of]) => of.hasInstallScript === true);
    expect(withScripts.filter(([, of]) => of.dev !== true).map(([path]) => path)).toEqual([]);
    // Such packages are marked in this file, or the line above says nothing.
    expect(withScripts.map(([path]) => path)).toContain("node_modules/onnxruntime-node");
  });
});

describe("without the optional packages", () => {
  it("compiles the sample model for every kind of target", { timeout: 120_000 }, async () => {
    const sample = await tritc("sample-model", "-o", "shapes", "--json");
    expect(sample.exitCode, sample.stderr).toBe(0);
    const again = await tritc("sample-model", "-o", "shapes");
    expect([again.exitCode, again.stderr]).toEqual([2, expect.stringContaining("[TRITC_E_OUT_EXISTS]")]);
    for (const [target, ...more] of [["cpu"], ["webgpu"], ["cuda-portable", "--emit", "source"]] as const) {
      const options = ["--target", target, "--resolution", "64x64", ...more, "-o", `${target}-bundle`];
      const compiled = await tritc("compile", "shapes", ...options);
      expect(compiled.exitCode, compiled.stderr).toBe(0);
    }
  });

  const draw = ["--prompt", "a photo of a ring", "-o", "ring.png"] as const;
  it.each([
    ["onnxruntime-node@1.30.x", "run", "cpu-bundle", ...draw],
    ["webgpu@0.6.x", "verify", "webgpu-bundle"],
    ["koffi@3.x", "verify", "cuda-portable-bundle"],
    ["onnxruntime-node@1.30.x", "pack-runner", "cpu-bundle", "-o", "runner.tar.gz"],
    ["koffi@3.x", "pack-runner", "cuda-portable-bundle", "-o", "runner.tar.gz"],
  ])("what needs %s says how to install it: %s %s", async (spec, ...argv) => {
    const { exitCode, stderr } = await tritc(...argv);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`npm install --ignore-scripts ${spec}\n`);
    expect(stderr).toMatch(/is not installed/);
    expect(stderr).toMatch(/\[TRITC_E_(PACKAGE|RUNNER)\]/);
    for (const out of ["ring.png", "runner.tar.gz"]) expect(readdirSync(app)).not.toContain(out);
  });

  it("checks kernels, and says what else the machine lacks", async () => {
    const verified = await tritc("verify", "cpu-bundle");
    expect(verified.exitCode, verified.stderr).toBe(0);
    const { stdout, exitCode } = await tritc("doctor", "--json");
    expect(exitCode).toBe(0);
    for (const name of ["onnxruntime-node@1.30.x", "webgpu@0.6.x", "koffi@3.x"])
      expect(stdout).toContain(name);
  });
});

const CONSUMER = `
import { compileModel, type CompileReport, TARGETS, TritcError, writeSampleModel } from "tritc";
import { evaluateBundle, makeSchedule, sample } from "tritc/runtime";
import { openGenerator, openDevice, type Generator } from "tritc/runtime/node";
import * as browser from "tritc/runtime/browser";

export async function draw(): Promise<Uint8Array> {
  await writeSampleModel("shapes");
  const report: CompileReport = await compileModel({
    input: "shapes",
    target: "cpu",
    ternarize: "exact",
    activations: "int8",
    out: "bundle",
  });
  const generator: Generator = await openGenerator(report.out);
  const { png } = await generator.generate({ prompt: "a ring", seed: 1 });
  await generator.close();
  return png;
}
// @ts-expect-error: a seed is a number
export const wrong = (generator: Generator) => generator.generate({ prompt: "a ring", seed: "one" });
export const used = [TARGETS, TritcError, evaluateBundle, makeSchedule, sample, openDevice, browser];
`;

it.each([
  ["node16", "node16"],
  ["nodenext", "nodenext"],
  ["esnext", "bundler"],
])("has types for module %s, resolution %s", async (module, moduleResolution) => {
  writeFileSync(join(app, "consumer.ts"), CONSUMER);
  const { exitCode, stdout } = await execa(
    join(ROOT, "node_modules/.bin/tsc"),
    [
      ...["--noEmit", "--strict", "--module", module, "--moduleResolution", moduleResolution],
      ...["--target", "es2022", "--types", "node", "consumer.ts"],
    ],
    { cwd: app, reject: false },
  );
  expect(stdout).toBe("");
  expect(exitCode).toBe(0);
});
