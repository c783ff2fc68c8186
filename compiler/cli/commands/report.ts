import { type Command, Option } from "commander";
import type { ReportCommandOptions } from "../actions/report.js";
import { withHubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import { textWeightsOption, withOutputOptions, withPlanOptions } from "../options.js";

export function addReport(program: Command): void {
  withPlanOptions(withHubOptions(withOutputOptions(program.command("report"))))
    .description("draw storage, memory and work of a bundle, or of a model on targets, as one HTML page")
    .argument("<bundle|model>", "a folder that `tritc compile` wrote, or a model as `tritc inspect` takes it")
    .requiredOption("-o, --out <file>", "the HTML file to write; - for stdout")
    .option("--target <names>", "a model: targets to plan for, with commas; details are the first's")
    .addOption(
      new Option("--ternarize <method>", "a model: as `tritc compile` takes it")
        .choices(["exact", "absmean", "none"])
        .default("exact"),
    )
    .addOption(
      new Option("--activations <type>", "a model: what ternary layers multiply")
        .choices(["int8", "bf16", "f16", "f32"])
        .default("int8"),
    )
    .addOption(textWeightsOption("a model: "))
    .action(async (path: string, options: ReportCommandOptions) =>
      (await loaded(import("../actions/report.js"), options)).writeReport(path, options),
    );
}
