import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ByteReader } from "../ir/constant/constant.js";
import type { Bindings } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import { TritcError } from "../ir/errors.js";
import type { FloatStorage } from "../ir/families/contract/params.js";
import { dtypeOf, type Graph, type ValueId } from "../ir/graph/graph.js";
import { printProgramText } from "../ir/program/print.js";
import type { Program } from "../ir/program/program.js";
import { verifyProgram } from "../ir/program/verify.js";
import type { TernaryStorage } from "../ir/ternary/storage.js";
import { type AttentionProducts, activationStorage, type Target } from "../targets/index.js";
import { SOURCE_ENDINGS } from "../targets/source-files.js";
import type { Measured } from "../templates/index.js";
import { choicesOf, printChoices } from "./choices.js";
import { type GenerateOptions, generateKernels, type KernelArtifact } from "./codegen/generate-kernels.js";
import { interruptible } from "./interruptible.js";
import { type LoraReport, planLora } from "./lora/merge-plan.js";
import { type LoraRequest, readLora } from "./lora/read.js";
import { type LoweredProgram, lower, requireShapes } from "./lower/index.js";
import { makeFolderSync } from "./make-folder.js";
import { type PassContext, type PassOptions, UNLIMITED } from "./pass.js";
import { BACK_PASSES, FRONT_PASSES } from "./passes/index.js";
import { mergeLora } from "./passes/merge-lora.js";
import { environmentOptions, type RunnerOptions, runPasses } from "./passes/run-passes.js";
import { describeModel } from "./recognize/describe-model.js";

export { batchAxesOf, importAndRecognize, recognize } from "./recognize/recognition.js";

/** A recognized graph with adapters merged into its weights, and what became of each. */
export function withAdapters(
  recognized: Graph,
  lora: readonly LoraRequest[],
  reader: ByteReader,
): { readonly graph: Graph; readonly reports: readonly LoraReport[] } {
  if (lora.length === 0) return { graph: recognized, reports: [] };
  const plan = planLora(recognized, lora.map(readLora), reader);
  const options: PassOptions = {
    ternarize: "none",
    activations: "f32",
    bindings: {},
    sizes: {},
    limits: UNLIMITED,
  };
  // An adapter may change the sizes that the description has.
  const graph = runPasses(recognized, [mergeLora(plan), describeModel], { reader, options });
  return { graph, reports: plan.reports };
}

/** Ternary weights, fusions, int8 activations, and weights in pieces that the device can bind. */
export function optimize(
  graph: Graph,
  context: PassContext,
  runner: RunnerOptions = environmentOptions(),
): Graph {
  return runPasses(graph, BACK_PASSES, context, { ...runner, first: FRONT_PASSES.length });
}

/** A program before its kernels are made. */
export interface Planned {
  /** The graph that the kernels compute. */
  readonly graph: Graph;
  readonly lowered: LoweredProgram;
}

/** What `compile` makes of a model before anything is written. */
export interface Compiled extends Planned {
  readonly kernels: readonly KernelArtifact[];
}

export interface CompileStages {
  readonly target: Target;
  readonly options: Pick<PassOptions, "ternarize" | "group" | "activations" | "branches" | "weights">;
  /** Largest sizes of the symbols. */
  readonly sizes: Bindings;
  /** See `LoweringOptions`. */
  readonly planned?: readonly Bindings[];
  readonly batchAxes: ReadonlyMap<ValueId, number | null>;
  /** Element types of inputs and outputs as the imported graph has them. */
  readonly dtypes?: ReadonlyMap<ValueId, DType>;
  /** What rows between kernels are stored in; if absent, what the target stores those of a transformer in. */
  readonly storage?: FloatStorage;
  /** See `LoweringOptions`. */
  readonly attention?: AttentionProducts;
  /** See `LoweringOptions`. */
  readonly products?: "tf32" | undefined;
  readonly codes?: TernaryStorage;
  /** See `LoweringOptions`. */
  readonly measured?: Measured | undefined;
  /** Looks at the program before kernels are made for it; may throw. */
  readonly onPlan?: (planned: Planned) => void;
  /** How kernels are made; binaries if absent. */
  readonly codegen?: Omit<GenerateOptions, "target">;
}

/** From a recognized graph to kernels: every step, top to bottom. */
export async function compileGraph(
  recognized: Graph,
  reader: ByteReader,
  stages: CompileStages,
): Promise<Compiled> {
  const { target, codegen, onPlan } = stages;
  const planned = planGraph(recognized, reader, stages);
  onPlan?.(planned);
  const kernels = await generateKernels(planned.lowered.kernels, { ...codegen, target });
  const { dump } = environmentOptions();
  if (dump !== undefined) dumpKernels(dump, kernels);
  return { ...planned, kernels };
}

/** From a recognized graph to a verified program. No weights are read. */
export function planGraph(
  recognized: Graph,
  reader: ByteReader,
  stages: Omit<CompileStages, "codegen" | "onPlan">,
  runner: RunnerOptions = environmentOptions(),
): Planned {
  return interruptible(() => plan(recognized, reader, stages, runner));
}

function plan(
  recognized: Graph,
  reader: ByteReader,
  stages: Omit<CompileStages, "codegen" | "onPlan">,
  runner: RunnerOptions,
): Planned {
  const {
    target,
    options: quantization,
    sizes,
    planned,
    batchAxes,
    dtypes,
    attention,
    products,
    codes,
    measured,
    storage,
  } = stages;
  const options: PassOptions = {
    ...quantization,
    bindings: {},
    sizes: sizesOfPasses(sizes),
    limits: target.limits,
    fuseHeads: target.fusesHeads,
  };
  requireShapes(recognized);
  const graph = optimize(recognized, { reader, options }, runner);
  const lowered = lower(graph, {
    target,
    sizes,
    batchAxes,
    ...(planned === undefined ? {} : { planned }),
    ...(dtypes === undefined ? {} : { dtypes }),
    ...(attention === undefined ? {} : { attention }),
    products,
    ...(codes === undefined ? {} : { codes }),
    measured,
    half: options.activations === "f16",
    storage: storage ?? (graph.model === undefined ? "f32" : activationStorage(target, options.activations)),
  });
  const { dump } = runner;
  if (dump !== undefined) {
    dumpText(dump, "program.txt", `${printProgramText(lowered.program)}\n`);
    dumpText(dump, "choices.txt", `${printChoices(choicesOf(lowered, planned ?? [sizes]))}\n`);
  }
  checkSizes(lowered.program);
  return { graph, lowered };
}

/** References that pass through the blocks by themselves may be more than what they are drawn after. */
function sizesOfPasses(sizes: Bindings): Bindings {
  const { img_tokens: own, ref_tokens: references = 0 } = sizes;
  return own === undefined || own >= references ? sizes : { ...sizes, img_tokens: references };
}

/** A graph whose shapes contradict each other at some sizes gives a program that reaches beyond its buffers there. */
function checkSizes(program: Program): void {
  try {
    verifyProgram(program);
  } catch (error) {
    if (!(error instanceof TritcError) || error.code !== "TRITC_E_PROGRAM") throw error;
    throw new TritcError({
      ...error.details,
      code: "TRITC_E_SHAPE",
      message: `the shapes of this graph do not hold at every size: ${error.details.message}`,
      remedy: "export the model again with consistent shapes; `tritc eval` runs it as it is",
      cause: error,
    });
  }
}

/** Element types of a graph's inputs and outputs. */
export function portTypesOf(graph: Graph): ReadonlyMap<ValueId, DType> {
  return new Map([...graph.inputs, ...graph.outputs].map((id) => [id, dtypeOf(graph, id)]));
}

function dumpText(folder: string, file: string, text: string): void {
  makeFolderSync(folder);
  writeFileSync(join(folder, file), text);
}

function dumpKernels(dump: string, kernels: readonly KernelArtifact[]): void {
  for (const { id, language, source } of kernels)
    dumpText(join(dump, "kernels"), `${id}.${SOURCE_ENDINGS[language]}`, source);
}
