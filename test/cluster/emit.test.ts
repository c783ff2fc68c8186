/** `distill --emit`: what is written over what, and what is refused. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { snapshot } from "../support/tree.js";
import { emittedJobs } from "./emitted.js";

const { root, at, model, prompts, now, emit } = emittedJobs();

describe("distill --emit", () => {
  it("writes the same again, but neither over something else nor over what people wrote", async () => {
    const argv = ["--emit", "slurm", "--prompts", prompts];
    const { out } = await emit("kept", ...argv);
    writeFileSync(join(out, "setup.sh"), "module load nodejs\ntritc=(tritc)\n");
    rmSync(join(out, "1-calibrate.sh"));
    writeFileSync(join(out, "result"), "");
    await emit("kept", ...argv);
    expect(readdirSync(out)).toContain("1-calibrate.sh");
    const before = snapshot(out);
    const again = await cli([
      "distill",
      model,
      "--calibration",
      now.calibration,
      "-o",
      out,
      ...argv,
      "--steps",
      "7",
      "--json",
    ]);
    expect(JSON.parse(again.stdout)).toMatchObject({
      error: { code: "TRITC_E_OUT_EXISTS", place: join(out, "3-distill.sh") },
    });
    const other = await cli([
      "distill",
      model,
      "--calibration",
      now.calibration,
      "-o",
      now.bin,
      ...argv,
      "--json",
    ]);
    expect(JSON.parse(other.stdout)).toMatchObject({ error: { code: "TRITC_E_OUT_EXISTS", place: now.bin } });
    expect(snapshot(out)).toEqual(before);
  });

  it.each<[string, readonly string[], string, string]>([
    ["no calibration and no prompts", ["--emit", "slurm"], "TRITC_E_USAGE", "--prompts"],
    ["prompts of standard input", ["--emit", "slurm", "--prompts", "-"], "TRITC_E_USAGE", "at once"],
    ["prompts that are not there", ["--emit", "slurm", "--prompts", at("none")], "TRITC_E_SYSTEM", ""],
    ["no image", ["--emit", "kubernetes", "--claim", "c"], "TRITC_E_USAGE", "--image <name>"],
    ["no claim", ["--emit", "kubernetes", "--image", "i"], "TRITC_E_USAGE", "--claim <name>"],
    [
      "a partition of pods",
      ["--emit", "kubernetes", "--image", "i", "--claim", "c", "--partition", "p"],
      "TRITC_E_USAGE",
      "only with --emit slurm",
    ],
    [
      "an image of Slurm",
      ["--emit", "slurm", "--prompts", prompts, "--image", "i"],
      "TRITC_E_USAGE",
      "only with --emit kubernetes",
    ],
    ["shards without a scheduler", ["--shards", "4"], "TRITC_E_USAGE", "only with --emit"],
    ["segments without blocks", ["--emit", "slurm", "--segments", "4"], "TRITC_E_USAGE", "--block-steps"],
    ["states without blocks", ["--emit", "slurm", "--states", "4"], "TRITC_E_USAGE", "--block-steps"],
    [
      "blocks before blocks",
      ["--emit", "slurm", "--stage", "blocks", "--block-steps", "4"],
      "TRITC_E_USAGE",
      "behind",
    ],
    [
      "a shard of its own",
      ["--emit", "slurm", "--stage", "blocks", "--shard", "1/2"],
      "TRITC_E_USAGE",
      "at once",
    ],
    ["a start anew", ["--emit", "slurm", "--prompts", prompts, "--no-resume"], "TRITC_E_USAGE", "at once"],
    [
      "a target that is none",
      ["--emit", "slurm", "--prompts", prompts, "--target", "tpu"],
      "TRITC_E_TARGET",
      "",
    ],
    [
      "more shards than an array has",
      ["--emit", "slurm", "--prompts", prompts, "--shards", "1001"],
      "TRITC_E_USAGE",
      "1 to 1000",
    ],
    [
      "a time with a directive in it",
      ["--emit", "slurm", "--prompts", prompts, "--time", "8:00:00\n#SBATCH --uid=0"],
      "TRITC_E_USAGE",
      "a duration",
    ],
    [
      "a partition with one",
      ["--emit", "slurm", "--prompts", prompts, "--partition", "a b"],
      "TRITC_E_USAGE",
      "a partition",
    ],
    [
      "a name that no Job has",
      ["--emit", "slurm", "--prompts", prompts, "--name", "My_Run"],
      "TRITC_E_USAGE",
      "lower-case",
    ],
    [
      "a mount that is no path",
      ["--emit", "kubernetes", "--mount", "data/../x"],
      "TRITC_E_USAGE",
      "an absolute path",
    ],
  ])("refuses %s", async (_, argv, code, words) => {
    const { stdout } = await cli([
      "distill",
      model,
      "--calibration",
      at("no"),
      "-o",
      at("out"),
      ...argv,
      "--json",
    ]);
    const { error } = JSON.parse(stdout) as { error: { code: string; expected: string | null } };
    expect(error.code).toBe(code);
    expect(error.expected ?? "").toContain(words);
    expect(readdirSync(root)).not.toContain("out");
  });

  it("refuses a model that is not there, or a file to be compiled with no pipeline", async () => {
    const rest = [
      "--calibration",
      at("no"),
      "--prompts",
      prompts,
      "--emit",
      "slurm",
      "-o",
      at("out"),
      "--json",
    ];
    const none = await cli(["distill", at("none"), ...rest]);
    expect(JSON.parse(none.stdout)).toMatchObject({ error: { code: "TRITC_E_USAGE", place: at("none") } });
    const file = await cli(["distill", at("model.onnx"), "--target", "cpu", ...rest]);
    expect(JSON.parse(file.stdout)).toMatchObject({
      error: { expected: expect.stringContaining("--pipeline <folder>") },
    });
    for (const name of ["out %j", "out\\t"]) {
      const pattern = await cli(["distill", model, ...rest.with(rest.indexOf(at("out")), at(name))]);
      expect(JSON.parse(pattern.stdout)).toMatchObject({ error: { code: "TRITC_E_USAGE", place: at(name) } });
    }
    expect(readdirSync(root)).not.toContain("out");
  });
});
