import { type Command, Option } from "commander";
import { MAX_THREADS } from "../../../ir/bounds.js";
import type { DistillCommandOptions } from "../actions/distill.js";
import { withEmitOptions } from "../emit-options.js";
import { withHubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import {
  severalPaths,
  shardOption,
  trainedGroupOption,
  wholeFromOne,
  wholeNumber,
  withOutputOptions,
} from "../options.js";

export function addDistill(program: Command): void {
  const command = withHubOptions(withOutputOptions(program.command("distill")))
    .description(
      "train ternary weights that draw as a full-precision model does, from its own pictures alone",
    )
    .argument("<model>", "the full-precision model, as `tritc compile` takes it")
    .option("--calibration <folder>", "what `tritc calibrate` made with the model; not with --merge")
    .requiredOption(
      "-o, --out <folder>",
      "the folder to write, a model for `tritc compile`; the same command again goes on where it stopped",
    )
    .addOption(
      new Option(
        "--start <model>",
        "what the student is before the first step: exact or calibrated, as of `tritc compile --ternarize`, or a ternary model",
      ).default("exact"),
    )
    .addOption(trainedGroupOption())
    .addOption(
      new Option(
        "--stage <stage>",
        "what is trained: all of the model at once, block by block, or all but the codes of weights",
      )
        .choices(["end-to-end", "blocks", "scales"])
        .default("end-to-end"),
    )
    .addOption(
      new Option("--steps <n>", "training steps; default: 1000, or 200 for each of the blocks").argParser(
        wholeFromOne(1e7),
      ),
    )
    .addOption(
      new Option("--batch <n>", "samples of a step; default: 96, or 32 of the blocks").argParser(
        wholeFromOne(1e5),
      ),
    )
    .addOption(
      new Option("--states <n>", "noised samples that every block learns from; default: 2048").argParser(
        wholeFromOne(1e8),
      ),
    )
    .addOption(shardOption("train only the i-th of n segments of the blocks, and write a folder for --merge"))
    .addOption(
      severalPaths(
        "--merge <folder...>",
        "instead of training, make the model of the folders of all segments",
      ),
    )
    .addOption(new Option("--seed <n>", "seed of what each step sees").argParser(wholeNumber).default(0))
    .addOption(
      new Option("--interval <seconds>", "time between two checkpoints")
        .argParser(wholeFromOne(1e6))
        .default(120),
    )
    .addOption(
      new Option("--threads <n>", "threads of ONNX Runtime; default: all cores").argParser(
        wholeFromOne(MAX_THREADS),
      ),
    )
    .option("--no-resume", "do not go on from what a stopped training left, and start anew")
    .option("--pipeline <folder>", "the model's pipeline; default: found beside the model");
  withEmitOptions(command).action(async (input: string, options: DistillCommandOptions) =>
    (await loaded(import("../actions/distill.js"), options)).runDistill(input, options),
  );
}
