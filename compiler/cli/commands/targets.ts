import type { Command } from "commander";
import { loaded } from "../loaded.js";
import { type CommonOptions, withOutputOptions } from "../options.js";

export function addTargets(program: Command): void {
  withOutputOptions(program.command("targets"))
    .description("list what a model can be compiled for")
    .action(async (options: CommonOptions) =>
      (await loaded(import("../actions/targets.js"), options)).listTargets(options),
    );
}
