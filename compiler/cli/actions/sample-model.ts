import { writeSampleModel } from "../../sample-model.js";
import { formatBytes, formatQuantity } from "../../units.js";
import type { CommonOptions } from "../options.js";
import { checkFolderPath } from "../output.js";
import { Terminal, table } from "../terminal.js";

export interface SampleModelOptions extends CommonOptions {
  readonly out: string;
}

export async function writeSample(options: SampleModelOptions): Promise<void> {
  checkFolderPath(options.out);
  const report = await writeSampleModel(options.out);
  const bytes = report.files.reduce((sum, file) => sum + file.bytes, 0);
  new Terminal(options).summary(
    report,
    table([
      ["model", `${report.out}, ${formatQuantity(report.files.length, "file")}, ${formatBytes(bytes)}`],
      ["next", `tritc compile ${report.out} --target cpu -o bundle`],
      ["then", 'tritc run bundle --prompt "a photo of a red circle" -o circle.png'],
    ]),
  );
}
