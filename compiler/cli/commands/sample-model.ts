import type { Command } from "commander";
import type { SampleModelOptions } from "../actions/sample-model.js";
import { loaded } from "../loaded.js";
import { withOutputOptions } from "../options.js";

export function addSampleModel(program: Command): void {
  withOutputOptions(program.command("sample-model"))
    .description("write a small FLUX pipeline that draws coloured shapes, to try things with")
    .requiredOption("-o, --out <folder>", "the folder to write: new or empty")
    .action(async (options: SampleModelOptions) =>
      (await loaded(import("../actions/sample-model.js"), options)).writeSample(options),
    );
}
