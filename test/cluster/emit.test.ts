/** `distill --emit`: what the jobs run, word by word, and what is refused. */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { ranJobs, saidTo, writeFakeSchedulers } from "../support/fake-schedulers.js";
import { snapshot } from "../support/tree.js";

/** What shells, sbatch, Kubernetes and options take for something else. */
const HOSTILE = `-q 'q' "d" $HOME $(PATH) \`id\` $$ \\ %j * ~ ; & | # !\n#SBATCH --hold\nend`;

/** As a folder of Slurm's logs may be called. */
const FOLDER = HOSTILE.replaceAll(/[%\\]/g, "_");

const root = mkdtempSync(join(tmpdir(), "tritc-emit-"));
afterAll(() => rmSync(root, { recursive: true }));
const at = (...names: string[]) => join(root, ...names);
const model = at(`${HOSTILE}.model`);
const prompts = at(`-${HOSTILE}.txt`);

let bin = "";
let calibration = "";
beforeAll(() => {
  mkdirSync(model);
  writeFileSync(prompts, "a photo of a red circle\n");
  // Stands for tritc: says what it was called with, and makes what was asked for. Fails where a test says so, once.
  writeFileSync(
    at("tritc"),
    `#!/bin/bash
    here=\${0%/*}
    printf '%s\\0' "\${JOB_COMPLETION_INDEX-}" "\${SLURM_ARRAY_TASK_ID-}" "$@" $'\\1' >> "$here/calls"
    if [ -e "$here/fail-$1" ]; then
      code=$(cat "$here/fail-$1")
      rm "$here/fail-$1"
      exit $code
    fi
    mkdir -p -- "\${@: -1}"\n`,
    { mode: 0o755 },
  );
});
beforeEach(() => {
  bin = writeFakeSchedulers(mkdtempSync(at("bin-")));
  calibration = join(bin, HOSTILE);
  copyFileSync(at("tritc"), join(bin, "tritc"));
  writeFileSync(join(bin, "calls"), "");
});

interface Emitted {
  readonly out: string;
  readonly files: readonly string[];
  readonly steps: readonly { readonly name: string; readonly tasks: number }[];
}

async function emit(name: string, ...argv: readonly string[]): Promise<Emitted> {
  const { code, stdout } = await cli([
    "distill",
    model,
    "--calibration",
    calibration,
    "-o",
    at(name),
    ...argv,
    "--json",
  ]);
  expect(code, stdout).toBe(0);
  return JSON.parse(stdout) as Emitted;
}

/** With the recorder in the place of tritc. */
function submit({ out }: Emitted, env: Readonly<Record<string, string>> = {}) {
  if (readdirSync(out).includes("setup.sh")) writeFileSync(join(out, "setup.sh"), "tritc=(tritc)\n");
  const path = `${bin}${delimiter}${process.env.PATH}`;
  return execa("bash", [join(out, "submit.sh")], {
    env: { PATH: path, TRITC_POLL_SECONDS: "0", NODE_OPTIONS: "", ...env },
    cwd: "/",
    reject: false,
  });
}

/** What the recorder was called with, and the index of a pod or the task of an array that it was in. */
function calls(): readonly {
  readonly argv: readonly string[];
  readonly index: string;
  readonly task: string;
}[] {
  const lines = readFileSync(join(bin, "calls"), "utf8").split("\0\x01\0").slice(0, -1);
  return lines.map((line) => {
    const [index = "", task = "", ...argv] = line.split("\0");
    return { argv, index, task };
  });
}

const OPTIONS = [
  ...[
    "--prompts",
    prompts,
    "--samples",
    "7",
    "--sampling-steps",
    "3",
    "--sampling-batch",
    "2",
    "--vary-guidance",
  ],
  ...["--resolution", "64x32", "--start", "calibrated", "--steps", "11", "--batch", "5", "--seed", "4"],
  ...["--interval", "60", "--shards", "2", "--cpus", "3", "--memory", "2GB", "--target", "cpu"],
];

/** The commands of that chain, in order, where jobs write to `work`. */
function expected(work: string): readonly (readonly string[])[] {
  const shard = (i: number) => join(work, "calibration-shards", `${i}`);
  const drawn = [
    "--samples",
    "7",
    "--steps",
    "3",
    "--batch",
    "2",
    "--resolution",
    "64x32",
    "--vary-guidance",
    "--moments",
  ];
  const draw = (i: number) => [
    ...[
      "calibrate",
      model,
      "--prompts",
      prompts,
      ...drawn,
      "--threads",
      "3",
      "--shard",
      "auto/2",
      "-o",
      shard(i),
    ],
  ];
  const trained = [
    "--start",
    "calibrated",
    "--steps",
    "11",
    "--batch",
    "5",
    "--seed",
    "4",
    "--interval",
    "60",
  ];
  return [
    draw(1),
    draw(2),
    ["calibrate", "--merge", shard(1), shard(2), "-o", calibration],
    [
      "distill",
      model,
      "--stage",
      "end-to-end",
      "--calibration",
      calibration,
      ...trained,
      "--threads",
      "3",
      "-o",
      join(work, "model"),
    ],
    ["compile", join(work, "model"), "--target", "cpu", "--pipeline", model, "-o", join(work, "bundle")],
  ];
}

/** For a machine that is busy. */
const PATIENT = { timeout: 240_000 };

describe("jobs of Slurm", PATIENT, () => {
  it("run the commands to the word, in a folder of any name", async () => {
    const emitted = await emit(
      FOLDER,
      "--emit",
      "slurm",
      ...OPTIONS,
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
        ...["distill", model, "--stage", "blocks", "--states", "9", "--calibration", calibration],
        ...["--start", "exact", ...own, ...common, "--shard", "auto/2", "-o", segment(name, i)],
      ]),
      ["distill", model, "--stage", "blocks", "--merge", segment(name, 1), segment(name, 2)],
    ];
    const alone = await words("alone", "--stage", "blocks", "--steps", "7", "--batch", "3");
    const [first, second, merge = []] = trained("alone", ["--steps", "7", "--batch", "3"]);
    expect(alone).toEqual([first, second, [...merge, "-o", at("alone", "model")]]);

    writeFileSync(join(bin, "calls"), "");
    rmSync(calibration, { recursive: true });
    const both = await words("both", "--block-steps", "6", "--block-batch", "2", "--steps", "8");
    const [one, two, between = []] = trained("both", ["--steps", "6", "--batch", "2"]);
    const start = at("both", "model-of-blocks");
    const whole = ["distill", model, "--stage", "end-to-end", "--calibration", calibration, "--start", start];
    expect(both).toEqual([
      ...[one, two, [...between, "-o", start]],
      [...whole, "--steps", "8", ...common, "-o", at("both", "model")],
    ]);
  });

  it("are submitted wholly or not at all, once at a time", async () => {
    const emitted = await emit("whole", "--emit", "slurm", "--prompts", prompts, "--shards", "1");
    const refused = await submit(emitted, { SBATCH_REFUSES: "3-distill.sh" });
    expect(refused.exitCode).toBe(1);
    expect(saidTo(bin)).toEqual(["scancel 100 101"]);
    expect((await submit(emitted)).exitCode).toBe(0);
    writeFileSync(join(bin, "queue"), "7\n104\n");
    const again = await submit(emitted);
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain("scancel 102 103 104");
    writeFileSync(join(bin, "queue"), "7\n1040\n");
    writeFileSync(join(bin, "calls"), "");
    expect((await submit(emitted)).exitCode).toBe(0);
    // What is done is not done again; calibrate sees to that itself.
    expect(new Set(calls().map(({ argv: [command] }) => command))).toEqual(new Set(["calibrate"]));
  });

  it("do not begin after one that failed", async () => {
    const emitted = await emit("failed", "--emit", "slurm", "--prompts", prompts, "--shards", "1");
    writeFileSync(join(bin, "fail-calibrate"), "1");
    await submit(emitted);
    expect(ranJobs(bin).map(({ ok }) => ok)).toEqual([false, false, false]);
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
        PATH: `${bin}${delimiter}${process.env.PATH}`,
        ...{ SLURM_JOB_ID: "42", SLURM_ARRAY_JOB_ID: "40", SLURM_ARRAY_TASK_ID: "2" },
      },
    });
    job.stdout.on("data", (data: Buffer) => {
      if (data.toString().includes("begun")) job.kill("SIGUSR1");
    });
    const { stdout } = await job;
    expect(stdout.split("\n")).toEqual(["begun", expect.stringContaining("another turn"), "stopped"]);
    expect(saidTo(bin)).toEqual([said]);
  });
});

describe("jobs of Kubernetes", PATIENT, () => {
  const volume = ["--image", "registry.example:5000/tritc:0.1.0", "--claim", "models", "--mount", root];

  it("run the commands to the word", async () => {
    const emitted = await emit("pods", "--emit", "kubernetes", ...OPTIONS, ...volume, "--name", "run-1");
    expect(spawnSync("bash", ["-n", join(emitted.out, "submit.sh")]).stderr.toString()).toBe("");
    const { exitCode, stderr } = await submit(emitted);
    expect(exitCode, stderr).toBe(0);
    expect(calls().map(({ argv }) => argv)).toEqual(expected(at("run-1")));
    expect(calls().map(({ index }) => index)).toEqual(["0", "1", "", "", ""]);
  });

  it("are what batch/v1 takes", async () => {
    const { out, files } = await emit("jobs", "--emit", "kubernetes", ...OPTIONS, ...volume);
    expect(files).toEqual([
      ...["1-calibrate", "2-merge-calibration", "3-distill", "4-compile"].map((name) => `${name}.json`),
      "submit.sh",
    ]);
    for (const name of files.slice(0, -1)) {
      const job = JSON.parse(readFileSync(join(out, name), "utf8")) as object;
      expect(job).toMatchObject({
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name: `tritc-${name.slice(2, -5)}` },
        spec: {
          template: {
            spec: {
              restartPolicy: "Never",
              containers: [
                {
                  name: "tritc",
                  image: "registry.example:5000/tritc:0.1.0",
                  command: ["sh", "-c", expect.any(String)],
                  resources: { requests: { cpu: "3", memory: "1908Mi" }, limits: { memory: "1908Mi" } },
                  volumeMounts: [{ name: "data", mountPath: root }],
                },
              ],
              volumes: [{ name: "data", persistentVolumeClaim: { claimName: "models" } }],
            },
          },
        },
      });
      const indexed = { completionMode: "Indexed", completions: 2, parallelism: 2, backoffLimitPerIndex: 6 };
      expect(job).toMatchObject({ spec: name.startsWith("1-") ? indexed : { backoffLimit: 6 } });
      if (!name.startsWith("1-")) expect(job).not.toHaveProperty("spec.completions");
    }
  });

  it("begin anew where one failed, and a Job that failed when it is submitted again", async () => {
    const emitted = await emit("again", "--emit", "kubernetes", ...volume, "--name", "again");
    writeFileSync(join(bin, "fail-distill"), "1");
    expect((await submit(emitted)).exitCode).toBe(0);
    expect(calls()).toHaveLength(2);

    rmSync(at("again", "model"), { recursive: true });
    rmSync(join(bin, "again-distill.state"));
    // Wrong usage is not tried again.
    writeFileSync(join(bin, "fail-distill"), "2");
    const failed = await submit(emitted);
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain("1-distill.json failed");
    expect(calls()).toHaveLength(3);
    expect((await submit(emitted)).exitCode).toBe(0);
    expect((await submit(emitted)).exitCode).toBe(0);
    expect(calls()).toHaveLength(4);
  });
});

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
      calibration,
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
    const other = await cli(["distill", model, "--calibration", calibration, "-o", bin, ...argv, "--json"]);
    expect(JSON.parse(other.stdout)).toMatchObject({ error: { code: "TRITC_E_OUT_EXISTS", place: bin } });
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
