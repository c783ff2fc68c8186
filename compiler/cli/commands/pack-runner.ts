import type { Command } from "commander";
import { checkFilePath } from "../../atomic-file.js";
import { type CommonOptions, withOutputOptions } from "../options.js";
import { formatBytes, Terminal, table } from "../terminal.js";

interface PackRunnerOptions extends CommonOptions {
  readonly out: string;
  readonly node?: string;
}

export function addPackRunner(program: Command): void {
  withOutputOptions(program.command("pack-runner"))
    .description(
      "put Node.js, this package and bundles into one archive, for a machine without either or network",
    )
    .argument("<bundle...>", "bundle folders to take along")
    .requiredOption("-o, --out <file>", "the .tar.gz to write")
    .option("--node <file>", "the Node.js binary to take along; default: the one that runs this")
    .action(async (folders: string[], options: PackRunnerOptions) => {
      await checkFilePath(options.out);
      const { packRunner } = await import("../../runner/pack.js");
      const { node } = options;
      const report = await packRunner({ folders, out: options.out, ...(node === undefined ? {} : { node }) });
      new Terminal(options).result(
        report,
        table([
          ["archive", `${report.out}, ${formatBytes(report.bytes)}`],
          ["packages", report.packages.join(", ")],
          ["there", "tar xzf <archive> && tritc-runner/run.sh doctor"],
        ]),
      );
    });
}
