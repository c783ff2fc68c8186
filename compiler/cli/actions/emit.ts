import { existsSync } from "node:fs";
import { join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelDescription } from "../../../ir/models/index.js";
import { DESCRIPTION_FILE } from "../../calibration/description.js";
import { openCalibration } from "../../calibration/folder.js";
import { type ChainPlan, chainOf, type Step } from "../../cluster/chain.js";
import { type EmittedFile, type Resources, SUBMIT } from "../../cluster/emitted.js";
import { kubernetesFiles } from "../../cluster/kubernetes.js";
import { slurmFiles } from "../../cluster/slurm.js";
import { writeEmitted } from "../../cluster/write.js";
import { familyOf } from "../../models/index.js";
import { packageRoot } from "../../package-root.js";
import { printResolution } from "../../resolutions.js";
import type { DistillBlocksOptions } from "../../train/blocks/distill-blocks.js";
import { formatQuantity } from "../../units.js";
import type { EmitOptions } from "../emit-options.js";
import type { CommonOptions } from "../options.js";
import { checkFolderPath } from "../output.js";
import { readPrompts } from "../prompts.js";
import { Terminal, table } from "../terminal.js";
import { usageError } from "../usage-error.js";

const SHARDS = 8;
const CPUS = 8;

/** What `tritc distill` takes of the training itself, which the jobs are given, and what becomes of it. */
export type EmitRequest = CommonOptions &
  EmitOptions &
  Pick<
    DistillBlocksOptions,
    | "calibration"
    | "out"
    | "pipeline"
    | "threads"
    | "start"
    | "group"
    | "states"
    | "steps"
    | "batch"
    | "seed"
    | "interval"
  > & { readonly stage: string };

/** Writes the training as jobs of a scheduler. */
export async function emitJobs(input: string, request: EmitRequest): Promise<void> {
  checkFolderPath(request.out);
  const terminal = new Terminal(request);
  const { steps, files } = await (request.emit === "slurm"
    ? forSlurm(input, request, terminal)
    : forKubernetes(input, request));
  await writeEmitted(request.out, files);
  const tasks = steps.map(({ name, shards = 1 }) => ({ name, tasks: shards }));
  const rows = tasks.map((step) => [step.name, formatQuantity(step.tasks, "task")] as const);
  terminal.summary(
    { out: request.out, files: files.map(({ name }) => name), steps: tasks },
    table([...rows, ["to run them", join(request.out, SUBMIT)]]),
  );
}

interface Emitted {
  readonly steps: readonly Step[];
  readonly files: readonly EmittedFile[];
}

/** The nodes see the files of this machine, by the same paths. */
async function forSlurm(input: string, request: EmitRequest, terminal: Terminal): Promise<Emitted> {
  for (const path of [input, request.pipeline, modelOf(request.start)])
    if (path !== undefined) requireThere(path);
  const prompts = await promptsToDraw(request, terminal);
  const folder = resolve(request.out);
  checkLogFolder(folder);
  const steps = chainOf(planOf(input, { ...request, prompts }, folder, (path) => resolve(path)));
  const { time = "1-00:00:00", partition } = request;
  const tritc = [process.execPath, fileURLToPath(new URL("dist/compiler/cli/main.js", packageRoot()))];
  const files = slurmFiles(steps, { ...resourcesOf(request), folder, time, partition, tritc });
  return { steps, files };
}

/** Pods see one volume, which has all files. */
async function forKubernetes(input: string, request: EmitRequest): Promise<Emitted> {
  const { image = "", claim = "", mount = "/data" } = request;
  const resources = resourcesOf(request);
  const at = (path: string) => posix.resolve(mount, path);
  const steps = chainOf(planOf(input, request, at(resources.name), at));
  return { steps, files: kubernetesFiles(steps, { ...resources, image, claim, mount }) };
}

function resourcesOf({ name = "tritc", cpus = CPUS, memory = 32 * 2 ** 30 }: EmitOptions): Resources {
  return { name, cpus, memoryBytes: memory };
}

function planOf(input: string, request: EmitRequest, work: string, at: (path: string) => string): ChainPlan {
  const { stage, steps, batch, states, seed, interval, target, samples, group } = request;
  const { guidance, negativePrompt, varyGuidance } = request;
  const {
    prompts,
    resolution,
    pipeline,
    shards = SHARDS,
    segments = shards,
    cpus = CPUS,
    threads = cpus,
  } = request;
  const started = modelOf(request.start);
  const first = { states, segments, steps: request.blockSteps, batch: request.blockBatch };
  return {
    ...{ work, shards, threads, target, seed, interval, group },
    ...(stage === "blocks"
      ? { blocks: { states, segments, steps, batch }, whole: undefined }
      : { blocks: first.steps === undefined ? undefined : first, whole: { stage, steps, batch } }),
    start: started === undefined ? request.start : at(started),
    model: at(input),
    pipeline: pipeline === undefined ? undefined : at(pipeline),
    calibration: at(request.calibration),
    drawing:
      prompts === undefined
        ? undefined
        : {
            prompts: prompts.map(at),
            steps: request.samplingSteps,
            batch: request.samplingBatch,
            resolution: resolution === undefined ? undefined : printResolution(resolution),
            ...{ samples, guidance, negativePrompt, varyGuidance },
          },
  };
}

/** The path that `--start` has, if it is not the name of a method. */
function modelOf(start: string | undefined): string | undefined {
  return start === "exact" || start === "calibrated" ? undefined : start;
}

/** Undefined where the calibration is there, and good for this training. */
async function promptsToDraw(
  request: EmitRequest,
  terminal: Terminal,
): Promise<readonly string[] | undefined> {
  const { calibration, prompts, start } = request;
  if (existsSync(join(calibration, DESCRIPTION_FILE))) {
    const { description, moments } = await openCalibration(calibration);
    checkSegments(request, description.model);
    if (start === "calibrated") await moments();
    if (prompts !== undefined) terminal.note(`${calibration} is there: nothing is drawn`);
    return undefined;
  }
  if (prompts === undefined) {
    throw usageError({
      message: "there is no calibration, and nothing to draw one from",
      place: calibration,
      expected: "a folder that `tritc calibrate` wrote, or --prompts",
      remedy: "give a file of prompts, such as one a line",
    });
  }
  for (const path of prompts) await readPrompts(path, request);
  return prompts;
}

function checkSegments(request: EmitRequest, model: ModelDescription): void {
  const { stage, blockSteps, segments = request.shards ?? SHARDS } = request;
  const blocks = familyOf(model).blocks(model).length;
  if ((stage !== "blocks" && blockSteps === undefined) || segments <= blocks) return;
  throw usageError({
    message: "there are more segments than blocks to train",
    place: "--segments",
    expected: `${blocks} at most`,
    found: String(segments),
    remedy: `give --segments ${blocks}, or less`,
  });
}

/** In the paths of logs Slurm takes some characters for patterns, in the folder too, and has no way to write both of them. */
function checkLogFolder(folder: string): void {
  const found = /[%\\]/.exec(folder)?.[0];
  if (found === undefined) return;
  throw usageError({
    message: "Slurm writes no logs into a folder of this name",
    place: folder,
    expected: "a path without % and \\",
    found,
    remedy: "choose another path for --out",
  });
}

function requireThere(path: string): void {
  if (existsSync(path)) return;
  throw usageError({
    message: "there is no such file or folder",
    place: path,
    expected: "a model, or its pipeline, that all nodes of the cluster see at this path",
    remedy: "correct the path",
  });
}
