/** What `distill --emit` writes, run on a tiny model by schedulers that stand for the real ones, to a bundle. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openCalibration } from "../../compiler/calibration/folder.js";
import { builtCli } from "../support/built-cli.js";
import { cli } from "../support/cli.js";
import { writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";
import { ranJobs, writeFakeSchedulers } from "../support/fake-schedulers.js";
import { snapshot } from "../support/tree.js";

const root = mkdtempSync(join(tmpdir(), "tritc cluster's $"));
afterAll(() => rmSync(root, { recursive: true }));
const at = (...names: string[]) => join(root, ...names);

let schedulers = "";
beforeAll(async () => {
  const main = await builtCli();
  mkdirSync(join(writePipeline(at("pipeline")), "transformer"));
  writeTransformer(at("pipeline", "transformer", "model.onnx"), 64);
  writeFileSync(at("prompts.txt"), "a photo of a red circle\na photo of a blue ring\na photo of a cross\n");
  schedulers = writeFakeSchedulers(at("bin"));
  // What the container's image has.
  writeFileSync(at("bin", "tritc"), `#!/bin/sh\nexec node '${main}' "$@"\n`, { mode: 0o755 });
}, 240_000);

/** Writes the jobs and runs them. */
async function run(out: string, ...argv: readonly string[]): Promise<void> {
  const training = ["--calibration", at("calibration"), "--steps", "2", "--batch", "2", "--threads", "1"];
  const { code, stdout } = await cli([
    "distill",
    at("pipeline"),
    ...training,
    "-o",
    at(out),
    ...argv,
    "--json",
  ]);
  expect(code, stdout).toBe(0);
  const { exitCode, stderr } = await execa("bash", [at(out, "submit.sh")], {
    env: { PATH: `${schedulers}${delimiter}${process.env.PATH}`, TRITC_POLL_SECONDS: "0" },
    cwd: "/",
    reject: false,
  });
  expect(exitCode, stderr).toBe(0);
}

it("a chain of jobs leads from prompts to a bundle, whichever scheduler runs it", async () => {
  const drawn = ["--prompts", at("prompts.txt"), "--sampling-steps", "1", "--sampling-batch", "2"];
  const blocks = ["--block-steps", "1", "--block-batch", "2", "--states", "2", "--stage", "scales"];
  await run("slurm", "--emit", "slurm", ...drawn, ...blocks, "--target", "cpu", "--shards", "2");
  const done = ranJobs(schedulers);
  expect(done.map(({ name, tasks, ok }) => [name, tasks, ok])).toEqual([
    ["tritc-calibrate", 2, true],
    ["tritc-merge-calibration", 1, true],
    ["tritc-train-blocks", 2, true],
    ["tritc-merge-blocks", 1, true],
    ["tritc-distill", 1, true],
    ["tritc-compile", 1, true],
  ]);
  expect(done.map(({ after }) => after)).toEqual([null, ...done.slice(0, -1).map(({ id }) => id)]);
  const logs = readdirSync(at("slurm", "logs")).sort();
  expect(logs.map((name) => name.replace(/\d{3}/, "ID"))).toEqual([
    "tritc-calibrate-ID_1.log",
    "tritc-calibrate-ID_2.log",
    "tritc-compile-ID.log",
    "tritc-distill-ID.log",
    "tritc-merge-blocks-ID.log",
    "tritc-merge-calibration-ID.log",
    "tritc-train-blocks-ID_1.log",
    "tritc-train-blocks-ID_2.log",
  ]);
  // Each drew its own.
  const shards = await Promise.all(
    ["1", "2"].map((i) => openCalibration(at("slurm", "calibration-shards", i))),
  );
  expect(shards.map(({ count }) => count)).toEqual([2, 1]);
  const verified = await cli(["verify", at("slurm", "bundle"), "--threads", "1"]);
  expect(verified.code, verified.stderr).toBe(0);

  const many = await cli([
    ...[
      "distill",
      at("pipeline"),
      "--calibration",
      at("calibration"),
      "--stage",
      "blocks",
      "--emit",
      "slurm",
    ],
    ...["-o", at("many"), "--json"],
  ]);
  expect(JSON.parse(many.stdout)).toMatchObject({ error: { place: "--segments", expected: "3 at most" } });

  const volume = ["--mount", root, "--image", "tritc", "--claim", "data", "--name", "indexed"];
  await run(
    "kubernetes",
    "--emit",
    "kubernetes",
    ...volume,
    ...["--stage", "scales", "--start", at("slurm", "model-of-blocks")],
  );
  expect(ranJobs(schedulers).slice(done.length)).toMatchObject([{ name: "indexed-distill", ok: true }]);
  expect(snapshot(at("indexed", "model"))).toEqual(snapshot(at("slurm", "model")));
}, 240_000);
