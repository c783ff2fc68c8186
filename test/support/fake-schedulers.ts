import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A job that a fake scheduler ran. */
export interface RanJob {
  readonly id: number;
  readonly name: string;
  readonly tasks: number;
  /** What had to be done before, by id. */
  readonly after: number | null;
  readonly ok: boolean;
}

/**
 * `sbatch`, `squeue`, `scancel` and `kubectl` that run jobs at once, one task after the other, as the real ones would: an array's
 * variables, a script that lies in a spool folder, logs by pattern; a container's command with Kubernetes' own `$(NAME)`
 * put in, tasks that are begun anew. Returns the folder for `PATH`.
 */
export function writeFakeSchedulers(folder: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "jobs.jsonl"), "");
  const program = (name: string, body: string) => {
    const path = join(folder, name);
    writeFileSync(path, `#!${process.execPath}\n${COMMON(folder)}\n${body}`);
    chmodSync(path, 0o755);
  };
  program("sbatch", SBATCH);
  // Every job is over when sbatch returns, unless a test says otherwise.
  program(
    "squeue",
    `if (existsSync(join(folder, "queue"))) console.log(readFileSync(join(folder, "queue"), "utf8"));`,
  );
  for (const name of ["scancel", "scontrol"])
    program(name, `appendFileSync(join(folder, "said"), "${name} " + argv.join(" ") + "\\n");`);
  program("kubectl", KUBECTL);
  return folder;
}

/** What `scancel` and `scontrol` were told, by line. */
export function saidTo(folder: string): readonly string[] {
  return existsSync(join(folder, "said"))
    ? readFileSync(join(folder, "said"), "utf8").trimEnd().split("\n")
    : [];
}

/** The jobs that were run, in order. */
export function ranJobs(folder: string): readonly RanJob[] {
  const lines = readFileSync(join(folder, "jobs.jsonl"), "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as RanJob);
}

const COMMON = (folder: string) => `
const { appendFileSync, copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } = require("node:fs");
const { basename, join } = require("node:path");
const { spawnSync } = require("node:child_process");
const folder = ${JSON.stringify(folder)};
const argv = process.argv.slice(2);
const jobs = () => readFileSync(join(folder, "jobs.jsonl"), "utf8").split("\\n").filter(Boolean).map((line) => JSON.parse(line));
const ran = (job) => appendFileSync(join(folder, "jobs.jsonl"), JSON.stringify(job) + "\\n");
const fail = (text) => { console.error(text); process.exit(1); };
`;

const SBATCH = `
const script = argv.pop();
if (script === process.env.SBATCH_REFUSES) fail("sbatch: error: Batch job submission failed");
const options = Object.fromEntries(argv.map((option) => option.split("=")));
if (!("--parsable" in options)) fail("the id has to be parsable");
const text = readFileSync(script, "utf8");
const head = text.split("\\n").slice(1).findIndex((line) => !line.startsWith("#")) + 1;
const directives = Object.fromEntries(
  text.split("\\n").slice(0, head).filter((line) => line.startsWith("#SBATCH ")).map((line) => line.slice(8).split("=")),
);
const after = options["--dependency"] === undefined ? null : Number(/^afterok:(\\d+)$/.exec(options["--dependency"])[1]);
const id = 100 + jobs().length;
const [, from, to] = /^(\\d+)-(\\d+)$/.exec(directives["--array"] ?? "")?.map(Number) ?? [];
const tasks = from === undefined ? 1 : to - from + 1;
let ok = after === null || jobs().find((job) => job.id === after).ok;
const name = directives["--job-name"];
const spool = join(folder, "slurm_script");
copyFileSync(script, spool);
if (ok) {
  for (let task = 0; task < tasks; task++) {
    const array = from === undefined ? {} : {
      SLURM_ARRAY_JOB_ID: id, SLURM_ARRAY_TASK_ID: from + task, SLURM_ARRAY_TASK_COUNT: tasks,
      SLURM_ARRAY_TASK_MIN: from, SLURM_ARRAY_TASK_MAX: to, SLURM_ARRAY_TASK_STEP: 1,
    };
    const log = directives["--output"].replace(/%[xjAa]/g, (p) => ({ "%x": name, "%j": id, "%A": id, "%a": from + task })[p]);
    const done = spawnSync("/bin/bash", [spool], { env: { ...process.env, SLURM_JOB_ID: id, ...array } });
    appendFileSync(log, Buffer.concat([done.stdout, done.stderr]));
    ok = ok && done.status === 0;
  }
}
ran({ id, name, tasks, after, ok });
console.log(id + ";main");
`;

const KUBECTL = `
const [verb] = argv;
const job = JSON.parse(readFileSync(argv[argv.indexOf("--filename") + 1], "utf8"));
const { name } = job.metadata;
const state = join(folder, name + ".state");
if (verb === "delete") rmSync(state);
else if (verb === "get") {
  if (existsSync(state)) console.log("SuccessCriteriaMet\\n" + readFileSync(state, "utf8"));
  else if (!argv.includes("--ignore-not-found")) fail("jobs.batch " + name + " not found");
} else if (verb === "apply" && !existsSync(state)) {
  const { completions = 1, completionMode, backoffLimit, backoffLimitPerIndex, template } = job.spec;
  const [container] = template.spec.containers;
  // As Kubernetes: $$ is $, $(NAME) a variable if there is one.
  const expanded = container.command.map((word) => word.replace(/\\$(\\$|\\((\\w+)\\))/g, (all, what, variable) =>
    what === "$" ? "$" : (process.env[variable] ?? all)));
  let ok = true;
  for (let index = 0; index < completions && ok; index++) {
    const env = completionMode === "Indexed" ? { ...process.env, JOB_COMPLETION_INDEX: index } : process.env;
    ok = false;
    for (let turn = 0; turn <= (backoffLimitPerIndex ?? backoffLimit) && !ok; turn++) {
      const { status, stdout, stderr } = spawnSync(expanded[0], expanded.slice(1), { env, cwd: "/" });
      appendFileSync(join(folder, name + ".log"), Buffer.concat([stdout, stderr]));
      ok = status === 0;
      if (status === 2) break;
    }
  }
  ran({ id: jobs().length, name, tasks: completions, after: null, ok });
  writeFileSync(state, ok ? "Complete\\n" : "Failed\\n");
}
`;
