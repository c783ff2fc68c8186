import { type Command, InvalidArgumentError, Option } from "commander";
import { MAX_STEPS } from "../../ir/bounds.js";
import type { Resolution } from "../resolutions.js";
import { byteCount, finiteNumber, resolution, severalPaths, wholeFromOne } from "./options.js";

export interface EmitOptions {
  readonly emit?: "slurm" | "kubernetes";
  readonly prompts?: readonly string[] | undefined;
  readonly samples?: number;
  readonly samplingSteps?: number;
  readonly samplingBatch?: number;
  readonly resolution?: Resolution;
  readonly guidance?: number;
  readonly negativePrompt?: string;
  readonly varyGuidance?: boolean;
  readonly blockSteps?: number;
  readonly blockBatch?: number;
  readonly segments?: number;
  readonly target?: string;
  readonly shards?: number;
  readonly cpus?: number;
  readonly memory?: number;
  readonly time?: string;
  readonly partition?: string;
  readonly image?: string;
  readonly claim?: string;
  readonly mount?: string;
  readonly name?: string;
}

/** Slurm's own limit of an array, unless it is told otherwise. */
const MOST_SHARDS = 1000;

/** What says how the whole training becomes jobs of a scheduler. */
export function emitOptions(): readonly Option[] {
  return [
    new Option(
      "--emit <scheduler>",
      "run nothing: write all of it as jobs into --out, from the calibration on where there is none",
    ).choices(["slurm", "kubernetes"]),
    severalPaths("--prompts <file>", "with --emit: what to draw, as `tritc calibrate` takes it"),
    new Option("--samples <n>", "with --emit: samples in all; default: one of each prompt").argParser(
      wholeFromOne(1e8),
    ),
    new Option("--sampling-steps <n>", "with --emit: `tritc calibrate --steps`").argParser(
      wholeFromOne(MAX_STEPS),
    ),
    new Option("--sampling-batch <n>", "with --emit: `tritc calibrate --batch`").argParser(wholeFromOne(1e8)),
    new Option("--resolution <WxH>", "with --emit: size of the samples; default: the pipeline's").argParser(
      resolution,
    ),
    new Option(
      "--guidance <g>",
      "with --emit: guidance scale of the samples; default: the model's",
    ).argParser(finiteNumber),
    new Option(
      "--negative-prompt <text>",
      "with --emit: what samples of base models go away from; default: nothing",
    ),
    new Option("--vary-guidance", "with --emit: give three in ten samples a guidance scale of their own"),
    new Option(
      "--block-steps <n>",
      "with --emit: train the blocks first, each in so many steps; --stage starts from there",
    ).argParser(wholeFromOne(1e7)),
    new Option("--block-batch <n>", "with --block-steps: samples of a step; default: 32").argParser(
      wholeFromOne(1e5),
    ),
    new Option(
      "--segments <n>",
      "with --emit: tasks that share the blocks, as many as there are at most; default: as --shards",
    ).argParser(wholeFromOne(MOST_SHARDS)),
    new Option("--target <name>", "with --emit: compile the result for it, too"),
    new Option("--shards <n>", "with --emit: tasks that share a step; default: 8").argParser(
      wholeFromOne(MOST_SHARDS),
    ),
    new Option("--cpus <n>", "with --emit: processors of a task; default: 8").argParser(wholeFromOne(4096)),
    new Option("--memory <bytes>", "with --emit: memory of a task; default: 32GiB").argParser(byteCount),
    new Option("--time <duration>", "with --emit slurm: as sbatch takes it; default: 1-00:00:00").argParser(
      matching(/^(?:\d{1,4}-\d{1,2}(?::\d\d){0,2}|\d{1,6}(?::\d\d){0,2})$/, "a duration, such as 8:00:00"),
    ),
    new Option("--partition <name>", "with --emit slurm: default: the cluster's").argParser(
      matching(/^[\w.+-]+(?:,[\w.+-]+)*$/, "a partition, or several with commas"),
    ),
    new Option("--image <name>", "with --emit kubernetes: a container image that has tritc").argParser(
      matching(/^[\w][\w./:@-]*$/, "an image, such as registry.example/tritc:0.1.0"),
    ),
    new Option("--claim <name>", "with --emit kubernetes: the volume claim that all pods mount").argParser(
      matching(/^[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?$/, "the name of a PersistentVolumeClaim"),
    ),
    new Option(
      "--mount <path>",
      "with --emit kubernetes: where they do; other paths begin there; default: /data",
    ).argParser(matching(/^(?:\/(?!\.\.?(?:\/|$))[^/:\0]+)+$/, "an absolute path, such as /data")),
    new Option("--name <name>", "with --emit: what names of jobs begin with; default: tritc").argParser(
      matching(/^[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?$/, "lower-case letters, digits and dashes, 40 at most"),
    ),
  ];
}

export function withEmitOptions(command: Command): Command {
  for (const option of emitOptions()) command.addOption(option);
  return command;
}

function matching(form: RegExp, what: string): (text: string) => string {
  return (text) => {
    if (form.test(text)) return text;
    throw new InvalidArgumentError(`Expected ${what}.`);
  };
}
