import type { Command } from "commander";
import { Option } from "commander";
import type { PromptWeightsPolicy } from "../../../ir/program/memory/index.js";
import { MAX_STEPS } from "../../../runtime/bounds.js";
import type { Resolution } from "../../resolutions.js";
import {
  type CommonOptions,
  type DeviceOptions,
  finiteNumber,
  promptWeightsOption,
  resolution,
  textLengthOption,
  wholeFromOne,
  wholeNumber,
  withDeviceOptions,
  withOutputOptions,
} from "../options.js";

export interface SamplingOptions extends CommonOptions, DeviceOptions {
  readonly steps?: number | undefined;
  readonly guidance?: number | undefined;
  readonly textLength?: number | undefined;
  readonly seed: number;
  readonly resolution?: Resolution | undefined;
  readonly pipeline?: string;
}

/** The options that say how to sample, the same for `run` and `compare`. */
export function withSamplingOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--steps <n>", "denoising steps; default: the model's").argParser(wholeFromOne(MAX_STEPS)),
    )
    .addOption(new Option("--guidance <g>", "guidance scale; default: the model's").argParser(finiteNumber))
    .addOption(new Option("--seed <n>", "seed of the noise").argParser(wholeNumber).default(0))
    .addOption(new Option("--resolution <WxH>", "picture size; default: the bundle's").argParser(resolution))
    .addOption(textLengthOption("the bundle's"))
    .option("--pipeline <folder>", "tokenizers, encoders, VAE, scheduler; default: the bundle's own");
}

export interface RunOptions extends SamplingOptions {
  readonly promptWeights?: PromptWeightsPolicy;
  readonly prompt: string;
  readonly out: string;
}

export function addRun(program: Command): void {
  withDeviceOptions(withSamplingOptions(withOutputOptions(program.command("run"))))
    .description("draw a picture with a bundle")
    .argument("<bundle>", "a folder that `tritc compile` wrote")
    .requiredOption("--prompt <text>", "what to draw; - for stdin")
    .requiredOption("-o, --out <file>", "the PNG to write; - for stdout")
    .addOption(promptWeightsOption("default: what the bundle was compiled for"))
    .action(async (bundle: string, options: RunOptions) =>
      (await import("../actions/run.js")).runBundle(bundle, options),
    );
}
