import type { Command } from "commander";
import type { CompareOptions } from "../actions/compare.js";
import { loaded } from "../loaded.js";
import { withDeviceOptions, withOutputOptions } from "../options.js";
import { withSamplingOptions } from "./run.js";

export function addCompare(program: Command): void {
  withDeviceOptions(withSamplingOptions(withOutputOptions(program.command("compare"))))
    .description(
      "draw the same prompts with the same seeds through a model and a bundle: a picture grid and numbers",
    )
    .argument("<reference>", "a model, compiled in full precision for the comparison, or another bundle")
    .argument("<bundle>", "the bundle to compare with it")
    .requiredOption("--prompts <file>", "what to draw: text, JSON lines or a table; - for stdin")
    .requiredOption(
      "-o, --out <file>",
      "the PNG to write: each row a prompt, reference left, bundle right; - for stdout",
    )
    .action(async (reference: string, bundle: string, options: CompareOptions) =>
      (await loaded(import("../actions/compare.js"), options)).compareModels(reference, bundle, options),
    );
}
