import type { Command } from "commander";
import { type CommonOptions, withOutputOptions } from "../options.js";

export function addTargets(program: Command): void {
  withOutputOptions(program.command("targets"))
    .description("list what a model can be compiled for")
    .action(async (options: CommonOptions) => (await import("../actions/targets.js")).listTargets(options));
}
