import type { TritcError } from "../../ir/errors.js";
import { targetByName } from "../../targets/index.js";
import { type EmitOptions, emitOptions } from "./emit-options.js";
import { STANDARD } from "./output.js";
import { usageError } from "./usage-error.js";

/** What else `tritc distill` takes. */
interface TrainingOptions {
  readonly stage: string;
  readonly calibration?: string | undefined;
  readonly states?: number | undefined;
  readonly shard?: unknown;
  readonly merge?: unknown;
  readonly resume?: boolean;
  readonly pipeline?: string | undefined;
}

/** Options of one scheduler alone. */
const OF_ONE: Readonly<Partial<Record<keyof EmitOptions, EmitOptions["emit"]>>> = {
  time: "slurm",
  partition: "slurm",
  image: "kubernetes",
  claim: "kubernetes",
  mount: "kubernetes",
};

const BLOCKS = "--stage blocks or --block-steps";
const AT_ONCE = "a training that is run at once";

/** Refuses what does not go together. Throws TRITC_E_USAGE, and TRITC_E_TARGET. */
export function checkEmitOptions(model: string, options: EmitOptions & TrainingOptions): void {
  const { emit, target, prompts = [], image, claim } = options;
  for (const option of emitOptions()) {
    const name = option.attributeName() as keyof EmitOptions;
    if (options[name] === undefined || name === "emit") continue;
    const wanted = OF_ONE[name];
    if (emit === undefined || (wanted ?? emit) !== emit)
      throw misplaced(option.long ?? option.flags, wanted === undefined ? "--emit" : `--emit ${wanted}`);
  }
  if (emit === undefined) return;
  if (options.calibration === undefined) throw required("--calibration <folder>");
  const { stage, blockSteps, states, shard, merge, resume } = options;
  const noBlocks = stage !== "blocks" && blockSteps === undefined;
  const wrong: readonly (readonly [boolean, string, string])[] = [
    [noBlocks && states !== undefined, "--states", BLOCKS],
    [noBlocks && options.segments !== undefined, "--segments", BLOCKS],
    [blockSteps === undefined && options.blockBatch !== undefined, "--block-batch", "--block-steps"],
    [stage === "blocks" && blockSteps !== undefined, "--block-steps", "another stage behind it"],
    [shard !== undefined, "--shard", AT_ONCE],
    [merge !== undefined, "--merge", AT_ONCE],
    [resume === false, "--no-resume", AT_ONCE],
    [prompts.includes(STANDARD), "--prompts -", AT_ONCE],
  ];
  const [, option, where] = wrong.find(([is]) => is) ?? [];
  if (option !== undefined && where !== undefined) throw misplaced(option, where);
  if (emit === "kubernetes" && image === undefined) throw required("--image <name>");
  if (emit === "kubernetes" && claim === undefined) throw required("--claim <name>");
  if (target === undefined) return;
  targetByName(target);
  if (options.pipeline === undefined && /\.(onnx|safetensors|sft)$/i.test(model))
    throw required("--pipeline <folder>, to compile a file's model with");
}

function misplaced(option: string, where: string): TritcError {
  return usageError({
    message: `${option} has no meaning here`,
    place: option,
    expected: `only with ${where}`,
    remedy: "leave it out",
  });
}

function required(option: string): TritcError {
  return usageError({
    message: "an option is missing",
    place: "--emit",
    expected: option,
    remedy: "tritc distill --help says what it means",
  });
}
