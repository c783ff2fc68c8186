import { type Command, Option } from "commander";
import type { InspectOptions } from "../actions/inspect.js";
import { withHubOptions } from "../hub-options.js";
import { loaded } from "../loaded.js";
import {
  groupOption,
  residualRankOption,
  textWeightsOption,
  withOutputOptions,
  withPlanOptions,
} from "../options.js";

export function addInspect(program: Command): void {
  withPlanOptions(withHubOptions(withOutputOptions(program.command("inspect"))))
    .description(
      "say what a model is: blocks, linears by role, parameters, ternary share, what was not recognized; with --target, what it would take there",
    )
    .option("--target <name>", "plan memory and work for it (see `tritc targets`)")
    .addOption(
      new Option("--ternarize <method>", "with --target: as `tritc compile` takes it")
        .choices(["exact", "absmean", "none"])
        .default("exact"),
    )
    .addOption(groupOption("with --target: "))
    .addOption(residualRankOption("with --target: as `tritc compile` takes it"))
    .addOption(
      new Option("--activations <type>", "with --target: what ternary layers multiply").choices([
        "int8",
        "bf16",
        "f16",
        "f32",
      ]),
    )
    .addOption(
      new Option("--attention <type>", "with --target: what attention multiplies queries with keys in")
        .choices(["bf16", "int8"])
        .default("bf16"),
    )
    .addOption(
      new Option("--storage <form>", "with --target: how the weight file holds ternary codes")
        .choices(["trits", "2bit"])
        .default("trits"),
    )
    .addOption(textWeightsOption("with --target: "))
    .argument(
      "<model>",
      "an .onnx file, a folder with one, a Diffusers folder, a checkpoint, or a model of the hub: org/name[@revision]",
    )
    .action(async (path: string, options: InspectOptions) =>
      (await loaded(import("../actions/inspect.js"), options)).inspectModel(path, options),
    );
}
