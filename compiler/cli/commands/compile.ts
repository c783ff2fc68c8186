import { join } from "node:path";
import type { Command } from "commander";
import { Option } from "commander";
import { cacheDir } from "../../../runtime/node/cache-dir.js";
import { type Activations, checkActivations, targetByName } from "../../../targets/index.js";
import type { Emit } from "../../codegen/kernels.js";
import type { CompileProgress, CompileReport, Resolution } from "../../compile.js";
import type { Ternarize } from "../../pass.js";
import { type CommonOptions, resolution, withOutputOptions } from "../options.js";
import { formatBytes, formatCount, type Progress, Terminal, table } from "../terminal.js";

interface CompileOptions extends CommonOptions {
  readonly target: string;
  readonly out: string;
  readonly resolution?: Resolution;
  readonly ternarize: Ternarize;
  readonly activations: Activations;
  readonly pipeline?: string;
  readonly emit: Emit;
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
        .choices(["int8", "bf16", "f16", "f32"])
        .default("int8"),
    )
    .option(
      "--pipeline <folder>",
      "tokenizers, encoders, VAE and scheduler to include; default: found beside the model",
    )
    .addOption(
      new Option("--emit <form>", "CUDA kernels: compiled by nvcc, or as sources only")
        .choices(["binary", "source"])
        .default("binary"),
    )
    .action(async (input: string, options: CompileOptions) => {
      const terminal = new Terminal(options);
      const target = targetByName(options.target);
      checkActivations(target, options.activations);
      const signal = options.io.interruptSignal();
      const { compileModel } = await import("../../compile.js");
      const progress = phases(terminal);
      const report = await compileModel({
        input,
        out: options.out,
        target: target.name,
        ternarize: options.ternarize,
        activations: options.activations,
        ...(options.resolution === undefined ? {} : { resolution: options.resolution }),
        ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
        emit: options.emit,
        kernelCache: join(cacheDir(), "kernels"),
        onProgress: progress.update,
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
        ["kernels", describeKernels(report, target.language === "cuda")],
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

/** A progress bar for each of a compilation's phases, one after the other. */
function phases(terminal: Terminal): { update(progress: CompileProgress): void; stop(): void } {
  let phase: string | undefined;
  let bar: Progress | undefined;
  return {
    update(progress) {
      if (progress.phase !== phase) {
        bar?.stop();
        phase = progress.phase;
        bar = terminal.progress("compiling", phase === "kernels" ? "kernels" : "tensors");
      }
      bar?.update(progress.done, progress.total);
    },
    stop: () => bar?.stop(),
  };
}

function describeKernels({ kernels, resources }: CompileReport, cuda: boolean): string {
  const count = formatCount(kernels);
  if (!cuda) return count;
  if (resources.length === 0) return `${count}, as sources: nvcc has to compile them`;
  const most = Math.max(...resources.map(({ registers }) => registers));
  const shared = Math.max(...resources.map(({ sharedBytes }) => sharedBytes));
  const architectures = new Set(resources.map(({ architecture }) => architecture));
  return `${count} for ${[...architectures].sort().join(", ")}: at most ${most} registers, ${formatCount(shared)} bytes of shared memory, no spills`;
}

function describe(model: {
  doubleBlocks: number;
  singleBlocks: number;
  hidden: number;
  heads: number;
}): string {
  return `${model.doubleBlocks} double and ${model.singleBlocks} single blocks, width ${model.hidden}, ${model.heads} heads`;
}
