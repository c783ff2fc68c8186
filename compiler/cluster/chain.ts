import { join } from "node:path/posix";

/** What is drawn to train with. */
export interface DrawingPlan {
  readonly prompts: readonly string[];
  readonly samples?: number | undefined;
  readonly steps?: number | undefined;
  readonly batch?: number | undefined;
  readonly resolution?: string | undefined;
  readonly guidance?: number | undefined;
  /** What samples of base models are moved away from. */
  readonly negativePrompt?: string | undefined;
  readonly varyGuidance?: boolean | undefined;
}

/** What every training is given, as `tritc distill` takes it. */
export interface TrainingPlan {
  readonly steps?: number | undefined;
  readonly batch?: number | undefined;
}

/** A training of the blocks, in segments. */
export interface BlocksPlan extends TrainingPlan {
  readonly states?: number | undefined;
  /** How many: one of the blocks in each, at least. */
  readonly segments: number;
}

/** A training of the whole model. */
export interface WholePlan extends TrainingPlan {
  readonly stage: string;
}

/** The way from a full-precision model to a ternary one. Paths are absolute where the jobs run. */
export interface ChainPlan {
  readonly model: string;
  readonly pipeline?: string | undefined;
  readonly calibration: string;
  /** Undefined where the calibration is there. */
  readonly drawing: DrawingPlan | undefined;
  /** Where the first training starts from. */
  readonly start?: string | undefined;
  /** Inputs of a row that share a scale; all of them if absent. */
  readonly group?: number | undefined;
  /** One of these at least; of both, the second starts from what the first has made. */
  readonly blocks: BlocksPlan | undefined;
  readonly whole: WholePlan | undefined;
  readonly seed?: number | undefined;
  readonly interval?: number | undefined;
  /** What to compile the result for, if wanted. */
  readonly target?: string | undefined;
  /** Where the jobs write. */
  readonly work: string;
  /** Of the calibration. */
  readonly shards: number;
  readonly threads: number;
}

/** One command of `tritc`, as a job. It begins when the one before it is done. */
export interface Step {
  readonly name: string;
  /** The command, then its arguments by line. */
  readonly words: readonly (readonly string[])[];
  /** What it writes; a task of several a folder in it, by the task's number from 1 on. */
  readonly out: string;
  /** Tasks, each of which does a shard; undefined for one that does it all. */
  readonly shards?: number;
  /** Whether nothing is to be done where the output is: a command that writes over it instead of going on. */
  readonly once: boolean;
}

/** The steps of a plan, in order. */
export function chainOf(plan: ChainPlan): readonly Step[] {
  return [...drawing(plan), ...blocks(plan), ...whole(plan), ...compiling(plan)];
}

function drawing({ drawing, model, work, shards, ...plan }: ChainPlan): readonly Step[] {
  if (drawing === undefined) return [];
  const out = join(work, "calibration-shards");
  return [
    {
      name: "calibrate",
      words: [
        ["calibrate", model],
        ...drawing.prompts.map((path) => ["--prompts", path]),
        ...option("--samples", drawing.samples),
        ...option("--steps", drawing.steps),
        ...option("--batch", drawing.batch),
        ...option("--resolution", drawing.resolution),
        ...option("--guidance", drawing.guidance),
        ...option("--negative-prompt", drawing.negativePrompt),
        ...(drawing.varyGuidance === true ? [["--vary-guidance"]] : []),
        ...(plan.start === "calibrated" ? [["--moments"]] : []),
        ...resources(plan),
        ["--shard", `auto/${shards}`],
      ],
      ...{ out, shards, once: false },
    },
    {
      name: "merge-calibration",
      words: [["calibrate"], merged(out, shards)],
      out: plan.calibration,
      once: false,
    },
  ];
}

function blocks(plan: ChainPlan): readonly Step[] {
  if (plan.blocks === undefined) return [];
  const { model, pipeline, start, work } = plan;
  const { segments, states } = plan.blocks;
  const out = join(work, "segments");
  const stage = ["--stage", "blocks"];
  return [
    {
      name: "train-blocks",
      words: [
        ["distill", model],
        stage,
        ...option("--states", states),
        ...training(plan, { ...plan.blocks, start }),
        ["--shard", `auto/${segments}`],
      ],
      ...{ out, shards: segments, once: true },
    },
    {
      name: "merge-blocks",
      words: [["distill", model], stage, ...option("--pipeline", pipeline), merged(out, segments)],
      ...{ out: trainedBlocks(plan), once: true },
    },
  ];
}

/** The model of the blocks: the last one, or one to start from. */
function trainedBlocks({ work, whole }: ChainPlan): string {
  return join(work, whole === undefined ? "model" : "model-of-blocks");
}

function whole(plan: ChainPlan): readonly Step[] {
  if (plan.whole === undefined) return [];
  const start = plan.blocks === undefined ? plan.start : trainedBlocks(plan);
  const words = [
    ["distill", plan.model],
    ["--stage", plan.whole.stage],
    ...training(plan, { ...plan.whole, start }),
  ];
  return [{ name: "distill", words, out: join(plan.work, "model"), once: true }];
}

function training(plan: ChainPlan, own: TrainingPlan & { readonly start: string | undefined }) {
  return [
    ["--calibration", plan.calibration],
    ...option("--start", own.start),
    ...option("--group", plan.group),
    ...option("--steps", own.steps),
    ...option("--batch", own.batch),
    ...option("--seed", plan.seed),
    ...option("--interval", plan.interval),
    ...resources(plan),
  ];
}

function compiling({ target, work, pipeline, model }: ChainPlan): readonly Step[] {
  if (target === undefined) return [];
  const words = [
    ["compile", join(work, "model")],
    ["--target", target],
    ["--pipeline", pipeline ?? model],
  ];
  return [{ name: "compile", words, out: join(work, "bundle"), once: true }];
}

function merged(folder: string, count: number): readonly string[] {
  return ["--merge", ...Array.from({ length: count }, (_, i) => join(folder, `${i + 1}`))];
}

function resources({ threads, pipeline }: Pick<ChainPlan, "threads" | "pipeline">) {
  return [...option("--pipeline", pipeline), ["--threads", `${threads}`]];
}

function option(name: string, value: string | number | undefined): readonly (readonly string[])[] {
  return value === undefined ? [] : [[name, `${value}`]];
}
