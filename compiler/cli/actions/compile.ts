import { join } from "node:path";
import type { TernaryStorage } from "../../../ir/ternary/storage.js";
import { cacheDir } from "../../../runtime/node/cache-dir.js";
import type { Activations, AttentionProducts, NetworkProducts } from "../../../targets/index.js";
import {
  checkActivations,
  checkAttention,
  checkNetworkProducts,
  targetByName,
} from "../../../targets/index.js";
import { printChoices } from "../../choices.js";
import type { Emit } from "../../codegen/generate-kernels.js";
import type { CompileProgress, CompileReport } from "../../compile.js";
import type { LoraRequest } from "../../lora/read.js";
import type { TextWeights } from "../../networks/text-weights.js";
import type { Group, Ternarize } from "../../pass.js";
import { printResolution } from "../../resolutions.js";
import { printStepEstimates } from "../../step-estimates.js";
import type { TuningRecord } from "../../tuning/records.js";
import { formatBytes, formatCount, formatDuration, formatFactor, formatQuantity } from "../../units.js";
import { describeLora } from "../describe-lora.js";
import type { HubOptions } from "../hub-options.js";
import { refuseBundle } from "../is-bundle.js";
import { loaded } from "../loaded.js";
import { adapterPaths, modelPath, modelWithPipeline } from "../model-path.js";
import type { CommonOptions, PlanOptions } from "../options.js";
import { checkFolderPath } from "../output.js";
import { pipelineRows } from "../pipeline-text.js";
import { describePasses, describePlans } from "../plan-text.js";
import { type Progress, Terminal, table } from "../terminal.js";

export interface CompileOptions extends CommonOptions, PlanOptions, HubOptions {
  readonly target: string;
  readonly out: string;
  readonly lora?: readonly LoraRequest[];
  readonly ternarize: Ternarize | "calibrated";
  readonly group?: Group;
  readonly calibration?: string;
  readonly residualRank: number;
  readonly activations: Activations;
  readonly attention: AttentionProducts;
  readonly storage: TernaryStorage;
  readonly tuning?: readonly string[];
  readonly textWeights?: TextWeights;
  readonly networkProducts?: NetworkProducts;
  readonly pipeline?: string | false;
  readonly emit: Emit;
  readonly memory: number;
  readonly resume: boolean;
  readonly explain?: boolean;
}

export async function compileModelFile(given: string, options: CompileOptions): Promise<void> {
  const terminal = new Terminal(options);
  checkFolderPath(options.out);
  refuseBundle(given, "compile");
  const target = targetByName(options.target);
  checkActivations(target, options.activations);
  checkAttention(target, options.activations, options.attention);
  if (options.networkProducts !== undefined) checkNetworkProducts(target, options.networkProducts);
  const signal = options.io.interruptSignal();
  const lora = await adapterPaths(options.lora, options);
  const found =
    options.pipeline === false
      ? { input: await modelPath(given, "transformer", options), pipeline: options.pipeline }
      : await modelWithPipeline(given, options.pipeline, options);
  const { compileModel } = await loaded(import("../../compile.js"), options);
  const progress = phases(terminal);
  const tuning = await recordsIn(options.tuning);
  const report = await compileModel({
    ...found,
    out: options.out,
    target: target.name,
    ternarize: options.ternarize,
    group: options.group,
    calibration: options.calibration,
    residualRank: options.residualRank,
    activations: options.activations,
    attention: options.attention,
    storage: options.storage,
    textWeights: options.textWeights,
    networkProducts: options.networkProducts,
    ...(lora === undefined ? {} : { lora }),
    ...(options.resolution === undefined ? {} : { resolutions: options.resolution }),
    textLength: options.textLength,
    references: options.references,
    memoryLimit: options.memoryLimit,
    promptWeights: options.promptWeights,
    tuning,
    emit: options.emit,
    kernelCache: join(cacheDir(), "kernels"),
    memory: options.memory,
    resume: options.resume,
    onNotice: (text) => terminal.note(text),
    onProgress: progress.update,
    signal,
  }).finally(() => progress.stop());
  const rows: (readonly [string, string])[] = [
    ["bundle", report.out],
    ["target", report.target],
    [
      "model",
      report.model === null ? "generic graph (no FLUX transformer recognized)" : describe(report.model),
    ],
    ...describeDrawing(report),
    ...report.lora.map((adapter) => ["lora", describeLora(adapter)] as const),
    ["kernels", describeKernels(report, target.cuda !== undefined)],
    ["weights", describeWeights(report)],
    ...describeTuning(report),
    ...describeCalibrated(report),
    ...describeResidual(report),
    ...describeMemory(report),
    ...describeGuidance(report),
    ...pipelineRows(report.networks, report.residency, report.account.limitBytes),
    ["time", formatDuration(report.seconds)],
  ];
  const plans = describePlans(report.account, report.stepFloors);
  const { choices, stepEstimates, ...summary } = report;
  const explained =
    options.explain === true
      ? [printChoices(choices), printStepEstimates(stepEstimates)].filter((text) => text !== "").join("\n\n")
      : "";
  terminal.summary(
    options.explain === true ? report : summary,
    [table(rows), plans, explained].filter((text) => text !== "").join("\n\n"),
  );
}

async function recordsIn(files: readonly string[] | undefined): Promise<readonly TuningRecord[] | undefined> {
  if (files === undefined) return undefined;
  const { readRecords } = await import("../../tuning/records.js");
  return (await Promise.all(files.map(readRecords))).flat();
}

function describeDrawing({
  drawing,
  samplers,
  referenceBytes,
}: CompileReport): readonly (readonly [string, string])[] {
  if (drawing === null) return [];
  const cached = Math.max(0, ...referenceBytes);
  const { resolutions, sampling } = drawing;
  const { steps, guidance, textLength, referenceTokens } = sampling;
  const references =
    referenceTokens === 0 ? "" : `, ${formatQuantity(referenceTokens, "token")} of references`;
  const scale = guidance === null ? "no guidance" : `guidance ${guidance}`;
  return [
    [
      "draws",
      `${printResolution(resolutions[0])}, ${formatQuantity(steps, "step")}, ${scale}, ${formatQuantity(textLength, "text token")}${references}`,
    ],
    ...(cached === 0
      ? []
      : [["references", `keys and values once per prompt, ${formatBytes(cached)} at most`] as const]),
    ["samplers", samplers.join(", ")],
  ];
}

const UNITS = {
  groups: "weights",
  kernels: "kernels",
  calibrating: "rows",
  branches: "rows",
  weights: "bytes",
} as const;

/** A progress bar for each of a compilation's phases, one after the other. */
function phases(terminal: Terminal): { update(progress: CompileProgress): void; stop(): void } {
  let title: string | undefined;
  let bar: Progress | undefined;
  return {
    update({ phase, network, done, total }) {
      const next = network === undefined ? phase : `${network} ${phase}`;
      if (next !== title) {
        bar?.stop();
        title = next;
        bar = terminal.progress(title, UNITS[phase]);
      }
      bar?.update(done, total);
    },
    stop: () => bar?.stop(),
  };
}

function describeTuning({ tuning }: CompileReport): readonly (readonly [string, string])[] {
  if (tuning === null) return [];
  const { findings, kernels } = tuning;
  return [
    [
      "tuning",
      `${formatQuantity(kernels, "kernel")} by ${formatQuantity(findings, "finding")} of the records`,
    ],
  ];
}

function describeCalibrated({ calibrated }: CompileReport): readonly (readonly [string, string])[] {
  const [worst] = [...calibrated].sort((a, b) => b.error - a.error);
  if (worst === undefined) return [];
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  const mean = calibrated.reduce((sum, { error }) => sum + error, 0) / calibrated.length;
  const layers = formatQuantity(calibrated.length, "layer");
  return [
    [
      "calibrated",
      `${layers}, relative error of their results ${percent(mean)} on average, ${percent(worst.error)} at most (${worst.role})`,
    ],
  ];
}

function describeResidual({ residual }: CompileReport): readonly (readonly [string, string])[] {
  if (residual === null) return [];
  return [["branches", `of rank ${residual.rank} beside ${formatQuantity(residual.layers, "layer")}`]];
}

function describeWeights({ weightBytes, sourceBytes }: CompileReport): string {
  if (weightBytes === 0) return "none";
  return `${formatBytes(weightBytes)}, ${formatFactor(sourceBytes, weightBytes)} below the source's ${formatBytes(sourceBytes)}`;
}

/** Nothing where no size was planned: what a graph of unknown sizes takes is not known. */
function describeMemory({
  memoryBytes,
  account: { plans, promptWeights, limitBytes },
}: CompileReport): readonly (readonly [string, string])[] {
  if (plans.length === 0) return [];
  const of = limitBytes === null ? "" : ` of ${formatBytes(limitBytes)}`;
  const weights = promptWeights === "keep" ? "stay on the device" : "are streamed for each prompt";
  return [["device memory", `${formatBytes(memoryBytes)}${of} at most; weights of the prompt ${weights}`]];
}

function describeGuidance({ bothPasses, account }: CompileReport): readonly (readonly [string, string])[] {
  if (bothPasses === null) return [];
  return [["guidance", `both passes ${describePasses(bothPasses, account.limitBytes)}`]];
}

function describeKernels({ kernels, resources, toolkit }: CompileReport, perArchitecture: boolean): string {
  const count = formatCount(kernels);
  if (!perArchitecture) return count;
  if (toolkit === null) return `${count}, as sources: nvcc has to compile them`;
  if (resources.length === 0)
    return `${count} as PTX by ${toolkit}: compiled by the driver, registers unchecked`;
  const most = Math.max(...resources.map(({ registers }) => registers));
  const shared = Math.max(...resources.map(({ sharedBytes }) => sharedBytes));
  const architectures = new Set(resources.map(({ architecture }) => architecture));
  return `${count} for ${[...architectures].sort().join(", ")} by ${toolkit}: at most ${formatQuantity(most, "register")}, ${formatQuantity(shared, "byte")} of shared memory, no spills`;
}

function describe(model: {
  doubleBlocks: number;
  singleBlocks: number;
  hidden: number;
  heads: number;
}): string {
  return `${model.doubleBlocks} double and ${model.singleBlocks} single blocks, width ${model.hidden}, ${model.heads} heads`;
}
