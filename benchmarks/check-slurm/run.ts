/**
 * Starts a Slurm on this machine, lets it train the shapes model as `tritc distill --emit slurm` writes that, with numbers that
 * take a minute, and compares calibration and model with those of single processes: they have to be equal to the byte. Needs
 * root and Debian's slurm-wlm and munge; nothing of it stays.
 *
 *   npm run check:slurm -- [--shards 4] [--json]
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { unpackModels } from "../build/models.js";
import { type LocalSlurm, startSlurm, whatIsMissing } from "./slurm.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const main = join(root, "dist/compiler/cli/main.js");

/** A name that shells and sbatch take for something else. */
const FOLDER = `-a 'run' "of" $HOME\n#SBATCH --hold\nx`;

const COLORS = ["red", "green", "blue", "yellow", "white", "purple"];
const SHAPES = ["circle", "square", "ring", "cross"];

interface Result {
  readonly tasks: number;
  /** Of Slurm's start, from submission to the last job's end, and of the same without shards. */
  readonly seconds: { readonly start: number; readonly chain: number; readonly alone: number };
  /** Files of calibration and model, all of which are equal. */
  readonly files: number;
}

async function check(folder: string, shards: number): Promise<Result> {
  const started = performance.now();
  const slurm = await startSlurm(join(folder, "slurm"));
  try {
    const ready = performance.now();
    const shapes = join(root, "test/models/shapes");
    const prompts = join(folder, "prompts.txt");
    writeFileSync(prompts, COLORS.flatMap((c) => SHAPES.map((s) => `a photo of a ${c} ${s}\n`)).join(""));
    const run = join(folder, FOLDER);
    const trained = ["--steps", "2", "--batch", "2", "--threads", "1"];
    const drawn = ["--sampling-steps", "4", "--sampling-batch", "2", "--prompts", prompts];
    const blocks = ["--block-steps", "1", "--block-batch", "2", "--states", "2", "--stage", "scales"];
    const resources = ["--cpus", "1", "--memory", "2GB", "--time", "10", "--shards", `${shards}`];
    await tritc(
      ...["distill", shapes, "--emit", "slurm", "--calibration", join(run, "calibration"), "-o", run],
      ...[...trained, ...drawn, ...blocks, ...resources, "--target", "cpu"],
    );
    const submitted = performance.now();
    await execa("bash", [join(run, "submit.sh")], { env: slurm.env });
    const tasks = await finish(slurm, run);
    const done = performance.now();
    await tritc("verify", join(run, "bundle"));
    const alone = join(folder, "alone");
    mkdirSync(alone);
    await withoutSlurm({ shapes, prompts, trained, alone, shards });
    const ended = performance.now();
    const files = ["calibration", "model"].reduce(
      (sum, name) => sum + equal(join(run, name), join(alone, name)),
      0,
    );
    const seconds = { start: ready - started, chain: done - submitted, alone: ended - done };
    return {
      tasks,
      files,
      seconds: { start: seconds.start / 1e3, chain: seconds.chain / 1e3, alone: seconds.alone / 1e3 },
    };
  } finally {
    await slurm.stop();
  }
}

/** The same, one process after the other; samples in one shard, blocks in the same segments, which is what they depend on. */
async function withoutSlurm({ shapes, prompts, trained, alone, shards }: Alone): Promise<void> {
  const at = (...names: string[]) => join(alone, ...names);
  const drawn = ["--steps", "4", "--batch", "2", "--threads", "1"];
  await tritc("calibrate", shapes, "--prompts", prompts, ...drawn, "-o", at("calibration"));
  const blocks = ["distill", shapes, "--stage", "blocks"];
  const segments = Array.from({ length: shards }, (_, i) => at("segments", `${i + 1}`));
  const own = [
    "--calibration",
    at("calibration"),
    "--states",
    "2",
    "--steps",
    "1",
    "--batch",
    "2",
    "--threads",
    "1",
  ];
  for (const [i, segment] of segments.entries())
    await tritc(...blocks, ...own, "--shard", `${i + 1}/${shards}`, "-o", segment);
  await tritc(...blocks, "--merge", ...segments, "-o", at("model-of-blocks"));
  const scales = ["--stage", "scales", "--start", at("model-of-blocks"), "--calibration", at("calibration")];
  await tritc("distill", shapes, ...scales, ...trained, "-o", at("model"));
}

interface Alone {
  readonly shapes: string;
  readonly prompts: string;
  readonly trained: readonly string[];
  readonly alone: string;
  readonly shards: number;
}

function tritc(...argv: readonly string[]) {
  return execa("node", [main, ...argv], { stderr: "inherit" });
}

/** Waits until no job is left, and throws with its log where one has failed. Returns the number of tasks. */
async function finish({ env }: LocalSlurm, run: string): Promise<number> {
  for (;;) {
    const { stdout } = await execa("squeue", ["--noheader", "--format=%i %r"], { env });
    if (stdout.includes("DependencyNeverSatisfied") || stdout.trim() === "") break;
    await setTimeout(500);
  }
  const { stdout } = await execa("scontrol", ["--oneliner", "show", "job"], { env });
  // Other members of a job may have line breaks: paths.
  const jobs = [...stdout.matchAll(/^JobId=(\d+).*?JobName=(\S+).*?JobState=(\S+)/gm)];
  const failed = jobs
    .filter(([, , , state]) => state !== "COMPLETED")
    .map(([, id, name, state]) => `${name} (${id}): ${state}`);
  if (failed.length === 0) return jobs.length;
  const logs = readdirSync(join(run, "logs")).map((name) => readFileSync(join(run, "logs", name), "utf8"));
  throw new Error(`${failed.join(", ")}\n${logs.join("\n")}`);
}

/** Throws where two folders do not have the same files of the same bytes. Returns how many there are. */
function equal(a: string, b: string): number {
  const [names, others] = [a, b].map((folder) => readdirSync(folder).sort());
  if (names === undefined || JSON.stringify(names) !== JSON.stringify(others))
    throw new Error(`${a} has ${names?.join(", ")}, ${b} ${others?.join(", ")}`);
  for (const name of names) {
    if (!readFileSync(join(a, name)).equals(readFileSync(join(b, name))))
      throw new Error(`${name} of ${a} and ${b} differ`);
  }
  return names.length;
}

const { values } = parseArgs({
  options: { shards: { type: "string", default: "4" }, json: { type: "boolean" } },
});
const missing = whatIsMissing();
if (missing !== undefined) {
  console.error(`check:slurm: ${missing}`);
  process.exitCode = 2;
} else {
  await unpackModels(join(root, "test", "models"));
  const folder = mkdtempSync(join(tmpdir(), "tritc-slurm-"));
  try {
    const result = await check(folder, Number(values.shards));
    const { seconds, tasks, files } = result;
    const text = `${tasks} tasks of Slurm made what single processes make: ${files} files of calibration and model are equal to the byte
Slurm started in ${seconds.start.toFixed(1)} s, its jobs took ${seconds.chain.toFixed(1)} s, single processes ${seconds.alone.toFixed(1)} s`;
    console.log(values.json === true ? JSON.stringify(result, null, 2) : text);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
