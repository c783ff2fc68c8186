import { type Command, Option } from "commander";
import { MAX_STEPS, MAX_THREADS } from "../../../ir/bounds.js";
import type { CalibrateCommandOptions } from "../actions/calibrate.js";
import { withHubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import {
  finiteNumber,
  resolution,
  severalPaths,
  shardOption,
  textLengthOption,
  wholeFromOne,
  wholeNumber,
  withOutputOptions,
} from "../options.js";

const MOST_SAMPLES = 1e8;

export function addCalibrate(program: Command): void {
  withHubOptions(withOutputOptions(program.command("calibrate")))
    .description("let a full-precision model draw from text, and keep what training needs of each sample")
    .argument(
      "[model]",
      "as `tritc compile` takes it; its text encoders have to be compiled or exported: --pipeline; none with --merge",
    )
    .addOption(
      severalPaths(
        "--prompts <file>",
        "what to draw: a file of prompts as `run` takes it, - for stdin; may be given several times",
      ),
    )
    .requiredOption(
      "-o, --out <folder>",
      "the folder to write; the same command again goes on where it stopped",
    )
    .addOption(
      new Option(
        "--samples <n>",
        "samples in all; prompts come again with other noise; default: one of each prompt",
      ).argParser(wholeFromOne(MOST_SAMPLES)),
    )
    .addOption(
      new Option(
        "--steps <n>",
        "denoising steps; default: 28, or the model's own number where that is less",
      ).argParser(wholeFromOne(MAX_STEPS)),
    )
    .addOption(new Option("--guidance <g>", "guidance scale; default: the model's").argParser(finiteNumber))
    .option("--negative-prompt <text>", "base models: what to go away from; default: nothing")
    .option("--vary-guidance", "give three in ten samples a scale of their own, from 1.5 to 5")
    .addOption(
      new Option("--resolution <WxH>", "picture size; default: the pipeline's").argParser(resolution),
    )
    .addOption(textLengthOption("the model's, else its tokenizer's"))
    .addOption(
      new Option("--seed <n>", "seed of the first sample's noise; the others count on from it")
        .argParser(wholeNumber)
        .default(0),
    )
    .addOption(
      new Option("--batch <n>", "samples that are drawn together and lie in one file; default: 16").argParser(
        wholeFromOne(MOST_SAMPLES),
      ),
    )
    .option("--moments", "also sum up what the blocks' linear layers read: mean and second moment of each")
    .addOption(shardOption("draw only the i-th of n shares"))
    .addOption(
      severalPaths("--merge <folder...>", "instead of drawing, put the folders of all shards together"),
    )
    .addOption(
      new Option("--threads <n>", "threads of ONNX Runtime; default: all cores").argParser(
        wholeFromOne(MAX_THREADS),
      ),
    )
    .option(
      "--pipeline <folder>",
      "tokenizers and text encoders: an exported pipeline, or a bundle with its own; default: found beside the model",
    )
    .action(async (input: string | undefined, options: CalibrateCommandOptions) =>
      (await loaded(import("../actions/calibrate.js"), options)).runCalibrate(input, options),
    );
}
