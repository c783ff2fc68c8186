import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { ManifestMemory } from "../ir/format/manifest.js";
import type { ModelDescription } from "../ir/models/index.js";
import { samplersOf } from "../ir/program/phases.js";
import type { PromptWeightsPolicy } from "../ir/program/prompt-weights.js";
import type { SamplerName } from "../ir/sampling/rules/index.js";
import type { TernaryStorage } from "../ir/ternary/storage.js";
import {
  type Activations,
  type AttentionProducts,
  checkActivations,
  checkAttention,
  type Target,
  targetByName,
} from "../targets/index.js";
import { accountFor } from "./account/account.js";
import { checkFit } from "./account/fit.js";
import { manifestMemory, type SizePlan } from "./account/size-plan.js";
import { whatIsThere } from "./bundle/occupant.js";
import { pipelineConfigOf, pipelineFolder } from "./bundle/pipeline-files.js";
import { canEncodePictures, carriedPipeline } from "./bundle/pipeline-plan.js";
import { runNeeds } from "./bundle/run-needs.js";
import { writeFolder } from "./bundle/staging.js";
import type { WorkFolder } from "./bundle/work-folder.js";
import { keptFiles, writeBundle } from "./bundle/write.js";
import { choicesOf, type KernelChoice } from "./choices.js";
import { type Emit, toolkitFor } from "./codegen/generate-kernels.js";
import type { KernelResources } from "./codegen/nvcc/resources.js";
import { batchAxesOf, compileGraph, portTypesOf, withAdapters } from "./compile-graph.js";
import { type Drawing, drawingOf, largestSizes, plannedSizes } from "./drawing.js";
import { fileReader } from "./file-reader.js";
import { findGroups } from "./find-groups.js";
import { withFirstLooks } from "./first-looks.js";
import { calibratedModel, checkCalibrated } from "./gptq/calibrated.js";
import type { TernarizedLayer } from "./gptq/ternarize-model.js";
import { checkGroup, newGroups } from "./group.js";
import { importModel } from "./import-model.js";
import { inspectGraph } from "./inspect.js";
import type { LoraReport } from "./lora/merge-plan.js";
import type { LoraRequest } from "./lora/read.js";
import type { MemoryReport } from "./lower/index.js";
import { modelName } from "./model-name.js";
import { pipelineNetworks } from "./networks/index.js";
import type { NetworkName, NetworkPart } from "./networks/part.js";
import { networkReports, type PipelineReport } from "./networks/report.js";
import type { TextWeights } from "./networks/text-weights.js";
import type { PackReport } from "./pack/write-weights.js";
import type { Group, Ternarize } from "./pass.js";
import { ternarizedBy } from "./passes/ternarize.js";
import { LORA_NEEDS_FLUX, recognition, requireFlux, TERNARY_NEEDS_FLUX } from "./recognize/recognition.js";
import { checkResidualRank, residualModel } from "./residual/residual.js";
import type { Resolution } from "./resolutions.js";
import { measuredBy, type TuningRecord } from "./tuning/records.js";

export type { Resolution } from "./resolutions.js";

export interface CompileOptions {
  /** An .onnx file, a folder with one, a Diffusers folder, or an original checkpoint. */
  readonly input: string;
  /** The bundle folder to write. */
  readonly out: string;
  /** Name of a target. */
  readonly target: string;
  /** calibrated: by what the layers read, which `calibration` knows. */
  readonly ternarize: Ternarize | "calibrated";
  /** Inputs of a row that share a scale; auto if absent. */
  readonly group?: Group | undefined;
  /** Folder of `tritc calibrate --moments` with this model. */
  readonly calibration?: string | undefined;
  /** Rank of a dense branch beside every ternary linear of the blocks, for what its weights lose; 0 (none) if absent. */
  readonly residualRank?: number;
  readonly activations: Activations;
  /** CUDA: what attention multiplies queries with keys in; bf16 if absent. */
  readonly attention?: AttentionProducts;
  /** How the weight file holds ternary codes: five trits a byte, or four 2-bit codes; trits if absent. */
  readonly storage?: TernaryStorage;
  /** What the device holds the weights of a pipeline's text encoders in; see `asStored` for what they are if absent. */
  readonly textWeights?: TextWeights | undefined;
  /** Adapters to merge into the weights before anything is ternarized. */
  readonly lora?: readonly LoraRequest[];
  /** Pictures to plan for; the pipeline's size or a static export's own if absent. The first is what is drawn by default. */
  readonly resolutions?: readonly Resolution[];
  /** Text tokens; the model's own number, else its pipeline's, if absent. */
  readonly textLength?: number | undefined;
  /** Pictures to draw after, to plan memory for; if absent, one for Kontext, none for others. */
  readonly references?: number | undefined;
  /** Memory of the device in bytes; what the target's has if absent. */
  readonly memoryLimit?: number | undefined;
  /** Whether weights that only `prompt` reads stay on the device; if absent, where that fits. */
  readonly promptWeights?: PromptWeightsPolicy | undefined;
  /** Folder of the pipeline's other parts; found beside the model if absent. False: the transformer alone. */
  readonly pipeline?: string | false;
  /** CUDA: whether kernels are compiled (the default, takes nvcc) or left as sources. */
  readonly emit?: Emit;
  /** What was measured of kernels on devices of the target: those configs are taken; none if absent. */
  readonly tuning?: readonly TuningRecord[] | undefined;
  /** Folder that keeps compiled CUDA kernels for the next time; none are kept if absent. */
  readonly kernelCache?: string;
  /** What the process may take while it packs weights, in bytes; 2 GB if absent. */
  readonly memory?: number;
  /** Threads that round and pack weights; as many as there are processors if absent, 0 for the calling one. */
  readonly threads?: number;
  /** Whether to go on from what a stopped run left beside `out`, and to leave it for the next; true if absent. */
  readonly resume?: boolean;
  /** Remarks for people. */
  readonly onNotice?: (text: string) => void;
  readonly onProgress?: (progress: CompileProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface CompileProgress {
  /** groups: weights that are looked at for groups that they hold. kernels: counted. calibrating, branches: rows of weights. weights: bytes of the model. */
  readonly phase: "groups" | "kernels" | "calibrating" | "branches" | "weights";
  readonly done: number;
  readonly total: number;
  /** What it is of: a network of the pipeline, or the transformer where absent. */
  readonly network?: NetworkName;
}

export interface CompileReport extends PipelineReport {
  readonly out: string;
  readonly target: string;
  readonly model: ModelDescription | null;
  /** What `run` draws by default; null for a graph that draws no pictures. */
  readonly drawing: Drawing | null;
  /** What `run --sampler` may choose from; none for a graph that draws no pictures. */
  readonly samplers: readonly SamplerName[];
  /** What became of each adapter. */
  readonly lora: readonly LoraReport[];
  readonly kernels: number;
  /** CUDA with binaries: what they were made with. */
  readonly toolkit: string | null;
  /** CUDA with binaries by nvcc: what each kernel takes on each architecture. */
  readonly resources: readonly (KernelResources & { readonly kernel: string })[];
  /** By phase. */
  readonly launches: Readonly<Record<string, number>>;
  /** Bytes of weights.safetensors. */
  readonly weightBytes: number;
  /** What each layer loses that was made ternary with a calibration; none otherwise. */
  readonly calibrated: readonly TernarizedLayer[];
  /** Layers that have a branch beside them, and those that are too small for one; null without branches. */
  readonly residual: {
    readonly rank: number;
    readonly layers: number;
    readonly without: readonly string[];
  } | null;
  /** How the weights were packed. */
  readonly packing: PackReport;
  /** Bytes of the parameters in the model's own types. */
  readonly sourceBytes: number;
  /** The most device memory at any planned size, in bytes. */
  readonly memoryBytes: number;
  /** Memory and work at each size, as the manifest says it. */
  readonly account: ManifestMemory;
  /** Seconds of a step at the target's peak rates, by size; null where they are not known. */
  readonly stepFloors: readonly (number | null)[];
  readonly memory: MemoryReport;
  /** Why each kernel is as it is. */
  readonly choices: readonly KernelChoice[];
  readonly unrecognized: readonly { readonly op: string; readonly count: number }[];
  readonly seconds: number;
}

/**
 * Compiles a model into a bundle. Nothing is left at `out` unless all of it succeeds; work that was stopped is left
 * beside it, see `writeFolder`.
 * Throws TRITC_E_TARGET, TRITC_E_GROUP, TRITC_E_ACTIVATIONS, TRITC_E_NOT_FLUX, TRITC_E_LORA, those of `calibratedModel` and `residualModel`, of the importer and the passes, TRITC_E_UNSUPPORTED_OP,
 * TRITC_E_BUFFER_LIMIT, those of `drawingOf` and `readPipelineConfig`, TRITC_E_DEVICE_MEMORY, TRITC_E_WEIGHT_NOT_FINITE, those of `generateKernels`, TRITC_E_OUT, TRITC_E_OUT_EXISTS,
 * TRITC_E_OUT_BUSY, TRITC_E_MEMORY, TRITC_E_SOURCE_CHANGED and TRITC_E_SYSTEM.
 */
export async function compileModel(
  options: CompileOptions,
  networks: (folder: string) => readonly NetworkPart[] = pipelineNetworks,
): Promise<CompileReport> {
  const target = targetByName(options.target);
  checkActivations(target, options.activations);
  checkAttention(target, options.activations, options.attention ?? "bf16");
  checkResidualRank(options.residualRank ?? 0, options.ternarize);
  checkCalibrated(options);
  checkGroup(options);
  await whatIsThere(options.out);
  const { signal, onNotice, resume = true } = options;
  return writeFolder(options.out, { keep: keptFiles(resume), signal, onNotice }, (work) =>
    withFirstLooks(() => compileInto(work, options, target, networks)),
  );
}

async function compileInto(
  work: WorkFolder,
  options: CompileOptions,
  target: Target,
  parts: (folder: string) => readonly NetworkPart[],
): Promise<CompileReport> {
  const started = performance.now();
  const toolkit = await toolkitFor({ target, emit: options.emit });
  const reader = fileReader();
  try {
    const imported = { ...importModel(options.input), name: modelName(options.input) };
    const { pipeline: given } = options;
    const folder = given === false ? undefined : pipelineFolder(options.input, given);
    await pause(options.signal);
    const found = recognition(imported, reader);
    if (options.ternarize !== "none") requireFlux(found, TERNARY_NEEDS_FLUX);
    if (options.lora?.length) requireFlux(found, LORA_NEEDS_FLUX);
    await pause(options.signal);
    const { graph: recognized, reports: lora } = withAdapters(found.graph, options.lora ?? [], reader);
    await pause(options.signal);
    const { resolutions, textLength, references } = options;
    const config = recognized.model === undefined ? undefined : pipelineConfigOf(options.input, folder);
    const drawing = drawingOf(recognized, { resolutions, textLength, references, pipeline: config });
    const { calibration, ternarize, residualRank: rank = 0 } = options;
    const groups =
      ternarize === "exact" || ternarize === "absmean"
        ? await findGroups(recognized, reader, options.group ?? "auto", (done, total) => {
            options.signal?.throwIfAborted();
            options.onProgress?.({ phase: "groups", done, total });
          })
        : undefined;
    const calibrated =
      calibration === undefined || ternarize !== "calibrated"
        ? undefined
        : await calibratedModel(recognized, calibration, work.prepared, newGroups(options.group));
    const ternary = calibrated?.graph ?? recognized;
    const residual =
      rank === 0 || ternarize === "none"
        ? undefined
        : await residualModel(
            recognized,
            ternarize === "calibrated" ? ternary : ternarizedBy(recognized, reader, ternarize, groups),
            { rank, calibration, prepared: join(work.prepared, "residual") },
          );
    if (residual !== undefined && residual.without.length > 0)
      options.onNotice?.(
        `too small for a branch of rank ${rank}, and without one: ${residual.without.join(", ")}`,
      );
    const progressOf = (phase: CompileProgress["phase"], network?: NetworkName | null) => {
      const of = network == null ? {} : { network };
      return (done: number, total: number) => options.onProgress?.({ phase, done, total, ...of });
    };
    const codegen = (network?: NetworkName) => ({
      emit: options.emit,
      cache: options.kernelCache,
      signal: options.signal,
      onKernel: progressOf("kernels", network),
    });
    let plans: readonly SizePlan[] = [];
    let account: ManifestMemory = { promptWeights: "keep", limitBytes: null, plans: [] };
    const { graph, lowered, kernels } = await compileGraph(residual?.graph ?? ternary, reader, {
      target,
      options: {
        ternarize: ternarize === "calibrated" || residual !== undefined ? "none" : ternarize,
        ...(groups === undefined ? {} : { group: groups }),
        activations: options.activations,
        branches: residual?.branches,
      },
      sizes: largestSizes(drawing),
      planned: plannedSizes(drawing),
      batchAxes: batchAxesOf(imported, recognized),
      dtypes: portTypesOf(imported),
      attention: options.attention ?? "bf16",
      codes: options.storage ?? "trits",
      measured: measuredBy(options.tuning ?? []),
      onPlan: ({ lowered: { program } }) => {
        const { memoryLimit, promptWeights } = options;
        const found = accountFor(recognized, reader, program, {
          target,
          drawing,
          memoryLimit,
          promptWeights,
        });
        plans = found.plans;
        const policy = checkFit(found.fit, target, plans, found.limitBytes);
        account = manifestMemory(plans, found.limitBytes, policy);
      },
      codegen: codegen(),
    });
    await pause(options.signal);
    const { model } = recognized;
    const carried =
      folder === undefined || drawing === null || model === undefined
        ? undefined
        : await carriedPipeline(folder, {
            ...{ target, drawing, model, reader, codegen, parts, onNotice: options.onNotice },
            textWeights: options.textWeights,
            limitBytes: account.limitBytes,
            given: given !== undefined,
          });
    const lacksEncoder = carried !== undefined && !canEncodePictures(carried);
    if (drawing !== null)
      for (const text of runNeeds(recognized, drawing.sampling, lacksEncoder)) options.onNotice?.(text);
    const { signal, threads, resume = true } = options;
    // What calibrating takes is free again for packing, whether the garbage has been collected by then or not.
    const taken = process.memoryUsage.rss();
    if (calibrated !== undefined || residual !== undefined) await work.begin(keptFiles(resume));
    (calibrated ?? residual)?.requireSource(reader);
    const preparing = (phase: CompileProgress["phase"]) => ({
      ...{ reader, signal, threads, resume, onNotice: options.onNotice },
      onKept: () => {
        work.isWorthKeeping = true;
      },
      onProgress: progressOf(phase),
    });
    const layers = await calibrated?.prepare(preparing("calibrating"));
    await residual?.prepare(preparing("branches"));
    const { weightBytes, packing, ...written } = await writeBundle(
      work,
      {
        graph,
        lowered,
        kernels,
        options: {
          ternarize,
          activations: options.activations,
          storage: options.storage ?? "trits",
        },
        drawing,
        memory: account,
        pipeline: carried?.folder,
        networks: carried?.networks ?? [],
      },
      {
        reader,
        signal,
        memory: options.memory,
        taken,
        threads,
        resume,
        onNotice: options.onNotice,
        onProgress: (done, total, network) => progressOf("weights", network)(done, total),
      },
    );
    const memoryBytes = Math.max(0, ...plans.map(({ memory }) => memory[account.promptWeights].peak));
    const { phases } = lowered.program;
    const inspection = inspectGraph(found);
    return {
      out: options.out,
      target: target.name,
      model: recognized.model ?? null,
      drawing,
      samplers: drawing === null ? [] : samplersOf(lowered.program),
      lora,
      kernels: kernels.length,
      toolkit: toolkit === undefined ? null : `CUDA ${toolkit.version}`,
      resources: kernels.flatMap(({ id, resources }) => resources.map((used) => ({ kernel: id, ...used }))),
      launches: Object.fromEntries(phases.map(({ name, launches }) => [name, launches.length])),
      weightBytes,
      calibrated: layers ?? [],
      residual:
        residual === undefined ? null : { rank, layers: residual.branches.size, without: residual.without },
      packing,
      sourceBytes: inspection.storage.source,
      memoryBytes,
      ...networkReports(carried?.networks ?? [], written.networks, memoryBytes, account.limitBytes),
      account,
      stepFloors: plans.map(({ stepFloor }) => stepFloor),
      memory: lowered.memory,
      choices: choicesOf(lowered.kernels),
      unrecognized: inspection.unrecognized,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    reader.close();
  }
}

/** Lets a signal come in between two stages that keep the thread busy, and stops if it did. */
async function pause(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
}
