import type { Command } from "commander";
import type { PackRunnerOptions } from "../actions/pack-runner.js";
import { loaded } from "../loaded.js";
import { withOutputOptions } from "../options.js";

export function addPackRunner(program: Command): void {
  withOutputOptions(program.command("pack-runner"))
    .description(
      "put Node.js, this package and bundles into one archive, for a machine without either or network",
    )
    .argument("<bundle...>", "bundle folders to take along")
    .requiredOption("-o, --out <file>", "the .tar.gz to write; - for stdout")
    .option("--node <file>", "the Node.js binary to take along; default: the one that runs this")
    .action(async (folders: string[], options: PackRunnerOptions) =>
      (await loaded(import("../actions/pack-runner.js"), options)).packRunnerArchive(folders, options),
    );
}
