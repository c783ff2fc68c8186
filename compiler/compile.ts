import { setImmediate } from "node:timers/promises";
import type { ManifestMemory } from "../ir/format/manifest.js";
import { samplersOf } from "../ir/program/phases.js";
import {
  checkActivations,
  checkAttention,
  checkNetworkProducts,
  type Target,
  targetByName,
} from "../targets/index.js";
import { accountFor } from "./account/account.js";
import type { BothPasses } from "./account/both-passes.js";
import { checkFit } from "./account/fit.js";
import { manifestMemory, type SizePlan } from "./account/size-plan.js";
import { whatIsThere } from "./bundle/occupant.js";
import { pipelineConfigOf, pipelineFolder } from "./bundle/pipeline-files.js";
import { canEncodePictures, carriedPipeline } from "./bundle/pipeline-plan.js";
import { runNeeds } from "./bundle/run-needs.js";
import { writeFolder } from "./bundle/staging.js";
import type { WorkFolder } from "./bundle/work-folder.js";
import { keptFiles, writeBundle } from "./bundle/write.js";
import { choicesOf } from "./choices.js";
import { toolkitFor } from "./codegen/generate-kernels.js";
import { batchAxesOf, compileGraph, portTypesOf, withAdapters } from "./compile-graph.js";
import type { CompileOptions, CompileProgress } from "./compile-options.js";
import type { CompileReport } from "./compile-report.js";
import { drawingOf, largestSizes, plannedSizes } from "./drawing.js";
import { fileReader } from "./file-reader.js";
import { withFirstLooks } from "./first-looks.js";
import { forPipeline } from "./for-pipeline.js";
import { checkCalibrated } from "./gptq/calibrated.js";
import { checkGroup } from "./group.js";
import { importModel } from "./import-model.js";
import { inspectGraph } from "./inspect.js";
import { modelName } from "./model-name.js";
import { pipelineNetworks } from "./networks/index.js";
import type { NetworkName, NetworkPart } from "./networks/part.js";
import { networkReports } from "./networks/report.js";
import { LORA_NEEDS_FLUX, recognition, requireFlux, TERNARY_NEEDS_FLUX } from "./recognize/recognition.js";
import { checkResidualRank } from "./residual/residual.js";
import { stepEstimates } from "./step-estimates.js";
import { ternaryPlan } from "./ternary-plan.js";
import { measuredWith } from "./tuning/shipped.js";
import { useOfRecords } from "./tuning/use-of-records.js";

export type { CompileOptions, CompileProgress } from "./compile-options.js";
export type { CompileReport } from "./compile-report.js";
export type { Resolution } from "./resolutions.js";

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
  if (options.networkProducts !== undefined) checkNetworkProducts(target, options.networkProducts);
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
    const { graph: merged, reports: lora } = withAdapters(found.graph, options.lora ?? [], reader);
    await pause(options.signal);
    const { resolutions, textLength, references } = options;
    const config = merged.model === undefined ? undefined : pipelineConfigOf(options.input, folder);
    const recognized = forPipeline(merged, config);
    const drawing = drawingOf(recognized, { resolutions, textLength, references, pipeline: config });
    const { ternarize } = options;
    const { groups, calibrated, residual, ...ternary } = await ternaryPlan(recognized, reader, options, work);
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
    const measured = measuredWith(target, options.tuning);
    let plans: readonly SizePlan[] = [];
    let both: BothPasses | null = null;
    let account: ManifestMemory = { promptWeights: "keep", limitBytes: null, plans: [] };
    const { graph, lowered, kernels } = await compileGraph(ternary.graph, reader, {
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
      measured,
      onPlan: ({ lowered: { program } }) => {
        const { memoryLimit, promptWeights } = options;
        const found = accountFor(recognized, reader, program, {
          target,
          drawing,
          memoryLimit,
          promptWeights,
        });
        plans = found.plans;
        both = found.bothPasses;
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
            ...{ target, drawing, model, reader, codegen, parts, measured, onNotice: options.onNotice },
            textWeights: options.textWeights,
            networkProducts: options.networkProducts,
            limitBytes: account.limitBytes,
            given: given !== undefined,
          });
    const lacksEncoder = carried !== undefined && !canEncodePictures(carried);
    if (drawing !== null)
      for (const text of runNeeds(recognized, drawing.sampling, lacksEncoder)) options.onNotice?.(text);
    const programs = [lowered, ...(carried?.networks ?? []).map((network) => network.lowered)];
    const tuning = options.tuning === undefined ? null : useOfRecords(options.tuning, programs, target);
    if (tuning?.why != null)
      options.onNotice?.(`no kernel gets its config from the given records: ${tuning.why}`);
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
    const choices = choicesOf(lowered, plannedSizes(drawing));
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
      tuning,
      launches: Object.fromEntries(phases.map(({ name, launches }) => [name, launches.length])),
      weightBytes,
      calibrated: layers ?? [],
      residual:
        residual === undefined
          ? null
          : { rank: residual.rank, layers: residual.branches.size, without: residual.without },
      packing,
      sourceBytes: inspection.storage.source,
      memoryBytes,
      ...networkReports(carried?.networks ?? [], written.networks, memoryBytes, account.limitBytes),
      account,
      referenceBytes: plans.map(({ references }) => references),
      bothPasses: both,
      stepFloors: plans.map(({ stepFloor }) => stepFloor),
      memory: lowered.memory,
      choices,
      stepEstimates: stepEstimates(lowered.program, target, choices, plans),
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
