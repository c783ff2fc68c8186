import type { Command } from "commander";
import { Option } from "commander";
import { MAX_STEPS } from "../../../ir/bounds.js";
import { DEFAULT_SAMPLER, SAMPLERS } from "../../../ir/sampling/rules/index.js";
import { withHubAccess } from "../hub-options.js";
import { loaded } from "../loaded.js";
import {
  finiteNumber,
  promptWeightsOption,
  residencyOption,
  resolution,
  severalPaths,
  strengthNumber,
  textLengthOption,
  textPaddingOption,
  wholeFromOne,
  wholeNumber,
  withDeviceOptions,
  withOutputOptions,
} from "../options.js";
import type { RunOptions } from "../sampling-options.js";

/** More pictures of a prompt than anybody looks at. */
export const MAX_PICTURES = 100_000;

/** The options that say how to sample, the same for `run` and `compare`. */
export function withSamplingOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--steps <n>", "denoising steps; default: the model's").argParser(wholeFromOne(MAX_STEPS)),
    )
    .addOption(
      new Option(
        "--sampler <name>",
        `how the picture moves from step to step; default: ${DEFAULT_SAMPLER}`,
      ).choices(SAMPLERS),
    )
    .addOption(new Option("--guidance <g>", "guidance scale; default: the model's").argParser(finiteNumber))
    .addOption(new Option("--seed <n>", "seed of the noise").argParser(wholeNumber).default(0))
    .addOption(new Option("--resolution <WxH>", "picture size; default: the bundle's").argParser(resolution))
    .addOption(textLengthOption("the bundle's"))
    .option(
      "--pipeline <folder>",
      "tokenizers, encoders, VAE, scheduler, exported or of a bundle; run, sample: also org/name; default: the bundle's own",
    );
}

/** The options of guidance by a second pass, the same for `run` and `sample`. */
export function withSecondPassOptions(command: Command): Command {
  return command
    .option(
      "--negative-prompt <text>",
      "base models, and FLUX.1 with --true-cfg-scale: what to go away from; default: nothing",
    )
    .addOption(
      new Option(
        "--true-cfg-scale <g>",
        "FLUX.1: above 1, how far to go away from --negative-prompt, by a second pass a step",
      ).argParser(finiteNumber),
    );
}

export function addRun(program: Command): void {
  withHubAccess(
    withSecondPassOptions(withDeviceOptions(withSamplingOptions(withOutputOptions(program.command("run"))))),
  )
    .description("draw pictures with a bundle")
    .argument("<bundle>", "a folder that `tritc compile` wrote")
    .option("--prompt <text>", "what to draw; - for stdin")
    .option("--prompts <file>", "draw several: text, JSON lines or a table; - for stdin")
    .addOption(
      new Option("--count <n>", "pictures of each prompt, with the seeds from --seed on").argParser(
        wholeFromOne(MAX_PICTURES),
      ),
    )
    .requiredOption(
      "-o, --out <file>",
      "the PNG to write, - for stdout; of several <name>-0001.png and so on, or a folder, or a name with {n} or {seed}",
    )
    .option("--control <png>", "Canny and Depth models: the picture to follow")
    .addOption(
      severalPaths(
        "--image <png>",
        "the picture to begin with; Fill: to draw into; Kontext, FLUX.2: to draw after, FLUX.2 several",
      ),
    )
    .option("--mask <png>", "Fill models, and with a picture to begin with: white where to draw")
    .addOption(
      new Option(
        "--strength <s>",
        "how much of the --image that is begun with is drawn anew, above 0, at most 1; default: the pipelines'",
      ).argParser(strengthNumber),
    )
    .option(
      "--no-auto-resize",
      "Kontext: take --image at its own size, not at one that the model was trained at",
    )
    .option("--latents <file>", "tensor `latents` [1, tokens, channels] instead of the seed's noise")
    .option("--latents-out <file>", "also write the last latents, as tensor `result` (.safetensors)")
    .addOption(textPaddingOption())
    .addOption(promptWeightsOption("default: what the bundle was compiled for"))
    .addOption(residencyOption())
    .action(async (bundle: string, options: RunOptions) =>
      (await loaded(import("../actions/run.js"), options)).runBundle(bundle, options),
    );
}
