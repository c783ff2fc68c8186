import { formatBytes } from "../../units.js";
import type { CommonOptions } from "../options.js";
import { Output } from "../output.js";
import { table } from "../terminal.js";

export interface PackRunnerOptions extends CommonOptions {
  readonly out: string;
  readonly node?: string;
}

export async function packRunnerArchive(folders: string[], options: PackRunnerOptions): Promise<void> {
  const output = await Output.open(options, "tar.gz");
  const { packRunner } = await import("../../deploy/runner.js");
  const { out, node } = options;
  let bytes = 0;
  const report = await packRunner({
    folders,
    async write(archive) {
      bytes = await output.write(archive);
    },
    ...(node === undefined ? {} : { node }),
  });
  output.summary(
    { out, bytes, ...report },
    table([
      ["archive", `${out}, ${formatBytes(bytes)}`],
      ["packages", report.packages.join(", ")],
      ["there", "tar xzf <archive> && tritc-runner/run.sh doctor"],
    ]),
  );
}
