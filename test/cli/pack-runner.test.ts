/** `tritc pack-runner`: the archive runs with nothing of this machine but a shell. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { extract } from "tar";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtCli } from "../support/built-cli.js";
import { cli } from "../support/cli.js";
import { makeSmallFixture } from "./fixture.js";

const root = mkdtempSync(join(tmpdir(), "tritc-runner-test-"));
const archive = join(root, "runner.tar.gz");
const home = join(root, "there", "tritc-runner");
const bundle = join(root, "small-bundle");
let inputs = "";

/** Runs the unpacked archive without this process's environment. */
const there = (argv: readonly string[]) =>
  execa(join(home, "run.sh"), argv, {
    reject: false,
    extendEnv: false,
    env: { HOME: root, PATH: "/bin:/usr/bin" },
  });

beforeAll(async () => {
  await builtCli();
  const fixture = await makeSmallFixture(join(root, "fixture"));
  inputs = fixture.inputs;
  const compiled = await cli([
    "compile",
    fixture.model,
    "--target",
    "cpu",
    "--ternarize",
    "none",
    "-o",
    bundle,
  ]);
  expect(compiled.code, compiled.stderr).toBe(0);
  const packed = await cli(["pack-runner", bundle, "-o", archive, "--json"]);
  expect(packed.code, packed.stderr).toBe(0);
  expect(JSON.parse(packed.stdout)).toMatchObject({ out: archive, bytes: statSync(archive).size });
  mkdirSync(join(root, "there"));
  await extract({ file: archive, cwd: join(root, "there") });
}, 240_000);
afterAll(() => rmSync(root, { recursive: true }), 60_000);

describe("the archive", () => {
  it("holds Node.js and the bundle, in less than 60 MB", () => {
    expect(readdirSync(home).sort()).toEqual(["node", "run.sh", "small-bundle", "tritc"]);
    expect(statSync(archive).size).toBeLessThan(60e6);
  });

  it("computes what this installation computes", async () => {
    const [here, far] = [join(root, "here.safetensors"), join(root, "far.safetensors")];
    expect((await cli(["eval", bundle, "--inputs", inputs, "-o", here])).code).toBe(0);
    const result = await there(["eval", join(home, "small-bundle"), "--inputs", inputs, "-o", far]);
    expect(result.stderr).toBe("");
    expect(readFileSync(far)).toEqual(readFileSync(here));
  });

  it("says what the machine can do, CUDA included, and why not", async () => {
    const result = await there(["doctor", "--json"]);
    expect(result.exitCode).toBe(0);
    const findings: unknown = JSON.parse(result.stdout);
    expect(findings).toContainEqual(expect.objectContaining({ name: "target cpu", ok: true }));
    // koffi came along: what is missing, if anything, is a driver.
    expect(result.stdout).not.toContain("the package koffi");
  });
});

it("refuses a folder that does not exist, and writes nothing", async () => {
  const out = join(root, "none.tar.gz");
  const { code, stderr } = await cli(["pack-runner", join(root, "nothing"), "-o", out]);
  expect(code).toBe(2);
  expect(stderr).toContain("TRITC_E_RUNNER");
  expect(readdirSync(root)).not.toContain("none.tar.gz");
});

it("keeps an archive that is there when it fails", async () => {
  const out = join(root, "kept.tar.gz");
  writeFileSync(out, "kept");
  const { code } = await cli(["pack-runner", bundle, "-o", out, "--node", join(root, "no-node")]);
  expect(code).toBe(1);
  expect(readFileSync(out, "utf8")).toBe("kept");
});
