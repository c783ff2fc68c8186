import { join } from "node:path/posix";

/** What is drawn to train with. */
export interface DrawingPlan {
  readonly prompts: readonly string[];
  readonly samples?: number | undefined;
  readonly steps?: number | undefined;
  readonly batch?: number | undefined;
  readonly resolution?: string | undefined;
  readonly varyGuidance?: boolean | undefined;
}

/** The last stage of the training, as `tritc distill` takes it. */
export interface TrainingPlan {
  readonly start?: string | undefined;
  readonly steps?: number | undefined;
  readonly batch?: number | undefined;
  readonly seed?: number | undefined;
  readonly interval?: number | undefined;
}

/** The way from a full-precision model to a ternary one. Paths are absolute where the jobs run. */
export interface ChainPlan {
  readonly model: string;
  readonly pipeline?: string | undefined;
  readonly calibration: string;
  /** Undefined where the calibration is there. */
  readonly drawing: DrawingPlan | undefined;
  readonly training: TrainingPlan;
  /** What to compile the result for, if wanted. */
  readonly target?: string | undefined;
  /** Where the jobs write. */
  readonly work: string;
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
  return [...drawing(plan), training(plan), ...compiling(plan)];
}

function drawing({ drawing, model, training, work, shards, ...plan }: ChainPlan): readonly Step[] {
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
        ...(drawing.varyGuidance === true ? [["--vary-guidance"]] : []),
        ...(training.start === "calibrated" ? [["--moments"]] : []),
        ...resources(plan),
        ["--shard", `auto/${shards}`],
      ],
      ...{ out, shards, once: false },
    },
    {
      name: "merge-calibration",
      words: [["calibrate"], ["--merge", ...Array.from({ length: shards }, (_, i) => join(out, `${i + 1}`))]],
      out: plan.calibration,
      once: false,
    },
  ];
}

function training({ model, training, work, ...plan }: ChainPlan): Step {
  return {
    name: "distill",
    words: [
      ["distill", model],
      ["--calibration", plan.calibration],
      ...option("--start", training.start),
      ...option("--steps", training.steps),
      ...option("--batch", training.batch),
      ...option("--seed", training.seed),
      ...option("--interval", training.interval),
      ...resources(plan),
    ],
    out: join(work, "model"),
    once: true,
  };
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

function resources({ threads, pipeline }: Pick<ChainPlan, "threads" | "pipeline">) {
  return [...option("--pipeline", pipeline), ["--threads", `${threads}`]];
}

function option(name: string, value: string | number | undefined): readonly (readonly string[])[] {
  return value === undefined ? [] : [[name, `${value}`]];
}
