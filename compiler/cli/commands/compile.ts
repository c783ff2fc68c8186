import type { Command } from "commander";
import { Option } from "commander";
import { type Activations, checkActivations, targetByName } from "../../../targets/index.js";
import type { Resolution } from "../../compile.js";
import type { Ternarize } from "../../pass.js";
import { type CommonOptions, resolution, withOutputOptions } from "../options.js";
import { formatBytes, formatCount, Terminal, table } from "../terminal.js";

interface CompileOptions extends CommonOptions {
  readonly target: string;
  readonly out: string;
  readonly resolution?: Resolution;
  readonly ternarize: Ternarize;
  readonly activations: Activations;
  readonly pipeline?: string;
}

export function addCompile(program: Command): void {
  withOutputOptions(program.command("compile"))
    .description("compile a FLUX export into a bundle: ternary weights, kernels, launch plan")
    .argument("<model>", "an .onnx file, or an exported pipeline folder")
    .requiredOption("--target <name>", "what to compile for (see `tritc targets`)")
    .requiredOption("-o, --out <folder>", "the bundle to write")
    .addOption(new Option("--resolution <WxH>", "largest picture to plan memory for").argParser(resolution))
    .addOption(
      new Option("--ternarize <method>", "how block weights become ternary")
        .choices(["exact", "absmean", "none"])
        .default("exact"),
    )
    .addOption(
      new Option("--activations <type>", "what ternary layers multiply (see `tritc targets`)")
        .choices(["int8", "f16", "f32"])
        .default("int8"),
    )
    .option(
      "--pipeline <folder>",
      "tokenizers, encoders, VAE and scheduler to include; default: found beside the model",
    )
    .action(async (input: string, options: CompileOptions) => {
      const terminal = new Terminal(options);
      const target = targetByName(options.target);
      checkActivations(target, options.activations);
      const signal = options.io.interruptSignal();
      const { compileModel } = await import("../../compile.js");
      const progress = terminal.progress("compiling", "tensors");
      const report = await compileModel({
        input,
        out: options.out,
        target: target.name,
        ternarize: options.ternarize,
        activations: options.activations,
        ...(options.resolution === undefined ? {} : { resolution: options.resolution }),
        ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
        onProgress: ({ done, total }) => progress.update(done, total),
        signal,
      }).finally(() => progress.stop());
      const ratio = report.sourceBytes / report.weightBytes;
      const rows: (readonly [string, string])[] = [
        ["bundle", report.out],
        ["target", report.target],
        [
          "model",
          report.model === null ? "generic graph (no FLUX transformer recognized)" : describe(report.model),
        ],
        ["kernels", formatCount(report.kernels)],
        [
          "weights",
          `${formatBytes(report.weightBytes)}, ${ratio.toFixed(2)}x below the source's ${formatBytes(report.sourceBytes)}`,
        ],
        ["device memory", formatBytes(report.memoryBytes)],
        ["time", `${report.seconds.toFixed(1)} s`],
      ];
      terminal.result(report, table(rows));
    });
}

function describe(model: {
  doubleBlocks: number;
  singleBlocks: number;
  hidden: number;
  heads: number;
}): string {
  return `${model.doubleBlocks} double and ${model.singleBlocks} single blocks, width ${model.hidden}, ${model.heads} heads`;
}
