import { type Command, Option } from "commander";
import type { CompareCommandOptions } from "../actions/compare.js";
import { withHubAccess } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { wholeFromOne, withDeviceOptions, withOutputOptions } from "../options.js";
import { MAX_PICTURES, withSamplingOptions } from "./run.js";

export function addCompare(program: Command): void {
  withDeviceOptions(withSamplingOptions(withHubAccess(withOutputOptions(program.command("compare")))))
    .description(
      "draw the same prompts with the same seeds through a reference and other models: pictures and numbers",
    )
    .argument(
      "<reference>",
      "a model as `tritc compile` takes it, in ONNX Runtime, or a bundle, through its kernels",
    )
    .argument("<other...>", "models or bundles to compare with it; one bundle for a PNG")
    .option("--prompts <file>", "what to draw: text, JSON lines or a table; - for stdin")
    .addOption(
      new Option("--count <n>", "HTML: pictures of each prompt; default: 1").argParser(
        wholeFromOne(MAX_PICTURES),
      ),
    )
    .option(
      "--calibration <folder>",
      "HTML: what `tritc calibrate --moments` made with the reference; layers are compared too",
    )
    .option(
      "-o, --out <file>",
      "an HTML page, or a PNG: each row a prompt, reference left, bundle right; - for a PNG on stdout; default: numbers alone",
    )
    .action(async (reference: string, others: readonly string[], options: CompareCommandOptions) =>
      (await loaded(import("../actions/compare.js"), options)).runCompare(reference, others, options),
    );
}
