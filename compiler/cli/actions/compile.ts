import { join } from "node:path";
import { cacheDir } from "../../../runtime/node/cache-dir.js";
import { checkActivations, checkAttention, targetByName } from "../../../targets/index.js";
import type { CompileProgress, CompileReport } from "../../compile.js";
import { printResolution } from "../../resolutions.js";
import type { CompileOptions } from "../commands/compile.js";
import { describeLora } from "../describe-lora.js";
import { describePlans } from "../plan-text.js";
import { formatBytes, formatCount, type Progress, Terminal, table } from "../terminal.js";

export async function compileModelFile(input: string, options: CompileOptions): Promise<void> {
  const terminal = new Terminal(options);
  const target = targetByName(options.target);
  checkActivations(target, options.activations);
  checkAttention(target, options.activations, options.attention);
  const signal = options.io.interruptSignal();
  const { compileModel } = await import("../../compile.js");
  const progress = phases(terminal);
  const report = await compileModel({
    input,
    out: options.out,
    target: target.name,
    ternarize: options.ternarize,
    activations: options.activations,
    attention: options.attention,
    storage: options.storage,
    ...(options.lora === undefined ? {} : { lora: options.lora }),
    ...(options.resolution === undefined ? {} : { resolutions: options.resolution }),
    textLength: options.textLength,
    memoryLimit: options.memoryLimit,
    promptWeights: options.promptWeights,
    ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
    emit: options.emit,
    kernelCache: join(cacheDir(), "kernels"),
    memory: options.memory,
    resume: options.resume,
    onNotice: (text) => terminal.note(text),
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
    ...describeDrawing(report),
    ...report.lora.map((adapter) => ["lora", describeLora(adapter)] as const),
    ["kernels", describeKernels(report, target.language === "cuda")],
    [
      "weights",
      `${formatBytes(report.weightBytes)}, ${ratio.toFixed(2)}x below the source's ${formatBytes(report.sourceBytes)}`,
    ],
    ["device memory", describeMemory(report)],
    ["time", `${report.seconds.toFixed(1)} s`],
  ];
  const plans = describePlans(report.account, report.stepFloors);
  terminal.result(report, [table(rows), plans].filter((text) => text !== "").join("\n\n"));
}

function describeDrawing({ drawing }: CompileReport): readonly (readonly [string, string])[] {
  if (drawing === null) return [];
  const { resolutions, sampling } = drawing;
  const { steps, guidance, textLength } = sampling;
  const scale = guidance === null ? "no guidance" : `guidance ${guidance}`;
  return [
    ["draws", `${printResolution(resolutions[0])}, ${steps} steps, ${scale}, ${textLength} text tokens`],
  ];
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
        bar = terminal.progress("compiling", phase === "kernels" ? "kernels" : "bytes");
      }
      bar?.update(progress.done, progress.total);
    },
    stop: () => bar?.stop(),
  };
}

function describeMemory({ memoryBytes, account: { promptWeights, limitBytes } }: CompileReport): string {
  const of = limitBytes === null ? "" : ` of ${formatBytes(limitBytes)}`;
  const weights = promptWeights === "keep" ? "stay on the device" : "are streamed for each prompt";
  return `${formatBytes(memoryBytes)}${of} at most; weights of the prompt ${weights}`;
}

function describeKernels({ kernels, resources, toolkit }: CompileReport, cuda: boolean): string {
  const count = formatCount(kernels);
  if (!cuda) return count;
  if (toolkit === null) return `${count}, as sources: nvcc has to compile them`;
  if (resources.length === 0)
    return `${count} as PTX by ${toolkit}: compiled by the driver, registers unchecked`;
  const most = Math.max(...resources.map(({ registers }) => registers));
  const shared = Math.max(...resources.map(({ sharedBytes }) => sharedBytes));
  const architectures = new Set(resources.map(({ architecture }) => architecture));
  return `${count} for ${[...architectures].sort().join(", ")} by ${toolkit}: at most ${most} registers, ${formatCount(shared)} bytes of shared memory, no spills`;
}

function describe(model: {
  doubleBlocks: number;
  singleBlocks: number;
  hidden: number;
  heads: number;
}): string {
  return `${model.doubleBlocks} double and ${model.singleBlocks} single blocks, width ${model.hidden}, ${model.heads} heads`;
}
