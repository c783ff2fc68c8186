/** `distill --emit slurm`: what the jobs run, word by word. */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { ranJobs, saidTo } from "../support/fake-schedulers.js";
import { emittedJobs, HOSTILE, PATIENT } from "./emitted.js";

/** As a folder of Slurm's logs may be called. */
const FOLDER = HOSTILE.replaceAll(/[%\\]/g, "_");

const { at, model, prompts, now, options, expected, emit, submit, calls } = emittedJobs();

describe("jobs of Slurm", PATIENT, () => {
  it("run the commands to the word, in a folder of any name", async () => {
    const emitted = await emit(
      FOLDER,
      "--emit",
      "slurm",
      ...options,
      "--time",
      "8:00:00",
      "--partition",
      "long",
    );
    expect(emitted.steps).toEqual([
      { name: "calibrate", tasks: 2 },
      { name: "merge-calibration", tasks: 1 },
      { name: "distill", tasks: 1 },
      { name: "compile", tasks: 1 },
    ]);
    for (const name of emitted.files)
      expect(spawnSync("bash", ["-n", join(emitted.out, name)]).stderr.toString(), name).toBe("");
    const { exitCode, stderr } = await submit(emitted);
    expect(exitCode, stderr).toBe(0);
    expect(calls().map(({ argv }) => argv)).toEqual(expected(at(FOLDER)));
    expect(calls().map(({ task }) => task)).toEqual(["1", "2", "", "", ""]);
    // Slurm reads no further than the first command.
    const directives = (name: string) => {
      const [head = ""] = readFileSync(join(emitted.out, name), "utf8").split(/^(?!#)/m);
      return head.split("\n").filter((line) => line.startsWith("#SBATCH "));
    };
    expect(directives("1-calibrate.sh")).toMatchInlineSnapshot(`
      [
        "#SBATCH --job-name=tritc-calibrate",
        "#SBATCH --array=1-2",
        "#SBATCH --output=logs/%x-%A_%a.log",
        "#SBATCH --open-mode=append",
        "#SBATCH --nodes=1",
        "#SBATCH --ntasks=1",
        "#SBATCH --cpus-per-task=3",
        "#SBATCH --mem=1908M",
        "#SBATCH --time=8:00:00",
        "#SBATCH --partition=long",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:USR1@60",
      ]
    `);
    expect(directives("3-distill.sh").filter((line) => /array|output/.test(line))).toEqual([
      "#SBATCH --output=logs/%x-%j.log",
    ]);
  });

  it("train blocks in segments, alone or before another stage", async () => {
    const blocks = [
      "--emit",
      "slurm",
      "--prompts",
      prompts,
      "--shards",
      "1",
      "--segments",
      "2",
      "--states",
      "9",
    ];
    const words = async (name: string, ...argv: readonly string[]) => {
      await submit(await emit(name, ...blocks, ...argv, "--threads", "1", "--seed", "4", "--interval", "60"));
      return calls()
        .slice(2)
        .map(({ argv }) => argv);
    };
    const common = ["--seed", "4", "--interval", "60", "--threads", "1"];
    const segment = (name: string, i: number) => at(name, "segments", `${i}`);
    const trained = (name: string, own: readonly string[]) => [
      ...[1, 2].map((i) => [
        ...["distill", model, "--stage", "blocks", "--states", "9", "--calibration", now.calibration],
        ...["--start", "exact", ...own, ...common, "--shard", "auto/2", "-o", segment(name, i)],
      ]),
      ["distill", model, "--stage", "blocks", "--merge", segment(name, 1), segment(name, 2)],
    ];
    const alone = await words("alone", "--stage", "blocks", "--steps", "7", "--batch", "3");
    const [first, second, merge = []] = trained("alone", ["--steps", "7", "--batch", "3"]);
    expect(alone).toEqual([first, second, [...merge, "-o", at("alone", "model")]]);

    writeFileSync(join(now.bin, "calls"), "");
    rmSync(now.calibration, { recursive: true });
    const both = await words("both", "--block-steps", "6", "--block-batch", "2", "--steps", "8");
    const [one, two, between = []] = trained("both", ["--steps", "6", "--batch", "2"]);
    const start = at("both", "model-of-blocks");
    const whole = [
      "distill",
      model,
      "--stage",
      "end-to-end",
      "--calibration",
      now.calibration,
      "--start",
      start,
    ];
    expect(both).toEqual([
      ...[one, two, [...between, "-o", start]],
      [...whole, "--steps", "8", ...common, "-o", at("both", "model")],
    ]);
  });

  it("are submitted wholly or not at all, once at a time", async () => {
    const emitted = await emit("whole", "--emit", "slurm", "--prompts", prompts, "--shards", "1");
    const refused = await submit(emitted, { SBATCH_REFUSES: "3-distill.sh" });
    expect(refused.exitCode).toBe(1);
    expect(saidTo(now.bin)).toEqual(["scancel 100 101"]);
    expect((await submit(emitted)).exitCode).toBe(0);
    writeFileSync(join(now.bin, "queue"), "7\n104\n");
    const again = await submit(emitted);
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain("scancel 102 103 104");
    writeFileSync(join(now.bin, "queue"), "7\n1040\n");
    writeFileSync(join(now.bin, "calls"), "");
    expect((await submit(emitted)).exitCode).toBe(0);
    // What is done is not done again; calibrate sees to that itself.
    expect(new Set(calls().map(({ argv: [command] }) => command))).toEqual(new Set(["calibrate"]));
  });

  it("do not begin after one that failed", async () => {
    const emitted = await emit("failed", "--emit", "slurm", "--prompts", prompts, "--shards", "1");
    writeFileSync(join(now.bin, "fail-calibrate"), "1");
    await submit(emitted);
    expect(ranJobs(now.bin).map(({ ok }) => ok)).toEqual([false, false, false]);
    expect(calls()).toHaveLength(1);
  });

  it.each([
    ["1-calibrate.sh", "scontrol requeue 40_2"],
    ["2-merge-calibration.sh", "scontrol requeue 42"],
  ])("go on in another turn when their time is over: %s", async (name, said) => {
    const { out } = await emit(`requeued ${name}`, "--emit", "slurm", "--prompts", prompts, "--shards", "2");
    // Ends in order when it is told to.
    const work = `process.on("SIGTERM", () => { console.log("stopped"); process.exit(143); });
      setInterval(() => undefined, 1000); console.log("begun");`;
    writeFileSync(join(out, "setup.sh"), `tritc=(node -e '${work.replaceAll("\n", "")}' --)\n`);
    const job = execa("bash", [join(out, name)], {
      env: {
        PATH: `${now.bin}${delimiter}${process.env.PATH}`,
        ...{ SLURM_JOB_ID: "42", SLURM_ARRAY_JOB_ID: "40", SLURM_ARRAY_TASK_ID: "2" },
      },
    });
    job.stdout.on("data", (data: Buffer) => {
      if (data.toString().includes("begun")) job.kill("SIGUSR1");
    });
    const { stdout } = await job;
    expect(stdout.split("\n")).toEqual(["begun", expect.stringContaining("another turn"), "stopped"]);
    expect(saidTo(now.bin)).toEqual([said]);
  });
});
