import { writeSampleModel } from "../../sample-model.js";
import type { SampleModelOptions } from "../commands/sample-model.js";
import { formatBytes, Terminal, table } from "../terminal.js";

export async function writeSample(options: SampleModelOptions): Promise<void> {
  const report = await writeSampleModel(options.out);
  const bytes = report.files.reduce((sum, file) => sum + file.bytes, 0);
  new Terminal(options).result(
    report,
    table([
      ["model", `${report.out}, ${report.files.length} files, ${formatBytes(bytes)}`],
      ["next", `tritc compile ${report.out} --target cpu -o bundle`],
      ["then", 'tritc run bundle --prompt "a photo of a red circle" -o circle.png'],
    ]),
  );
}
