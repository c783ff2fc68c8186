import { checkFilePath } from "../../atomic-file.js";
import type { PackRunnerOptions } from "../commands/pack-runner.js";
import { formatBytes, Terminal, table } from "../terminal.js";

export async function packRunnerArchive(folders: string[], options: PackRunnerOptions): Promise<void> {
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
}
