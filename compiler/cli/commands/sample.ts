import type { Command } from "commander";
import { Option } from "commander";
import { LAYOUTS } from "../../prompt-sets/layouts.js";
import type { SampleOptions } from "../actions/sample.js";
import { withHubAccess } from "../hub-options.js";
import { loaded } from "../loaded.js";
import {
  promptWeightsOption,
  residencyOption,
  shardOption,
  textPaddingOption,
  wholeFromOne,
  withDeviceOptions,
  withOutputOptions,
} from "../options.js";
import { MAX_PICTURES, withSamplingOptions, withSecondPassOptions } from "./run.js";

export function addSample(program: Command): void {
  withHubAccess(
    withSecondPassOptions(
      withDeviceOptions(withSamplingOptions(withOutputOptions(program.command("sample")))),
    ),
  )
    .description("draw a set of pictures as GenEval's and T2I-CompBench's scorers read it")
    .argument("<bundle>", "a folder that `tritc compile` wrote")
    .requiredOption("--prompts <file>", "what to draw: text, JSON lines or a table; - for stdin")
    .requiredOption("-o, --out <folder>", "the folder of the set; pictures of an interrupted run stay in it")
    .addOption(
      new Option("--images-per-prompt <n>", "pictures of each prompt, with the seeds from --seed on")
        .argParser(wholeFromOne(MAX_PICTURES))
        .default(4),
    )
    .addOption(
      new Option("--layout <name>", "whose; default: geneval, but compbench for plain text").choices(LAYOUTS),
    )
    .addOption(shardOption())
    .addOption(textPaddingOption())
    .addOption(promptWeightsOption("default: what the bundle was compiled for"))
    .addOption(residencyOption())
    .action(async (bundle: string, options: SampleOptions) =>
      (await loaded(import("../actions/sample.js"), options)).sampleSet(bundle, options),
    );
}
