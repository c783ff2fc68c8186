import type { Command } from "commander";
import { loaded } from "../loaded.js";
import { type CommonOptions, withOutputOptions } from "../options.js";

export function addDoctor(program: Command): void {
  withOutputOptions(program.command("doctor"))
    .description("say what this machine can run, and what it lacks")
    .action(async (options: CommonOptions) =>
      (await loaded(import("../actions/doctor.js"), options)).findWhatRuns(options),
    );
}
