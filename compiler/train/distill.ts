import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { checkWhole } from "../../ir/bounds.js";
import { countOf } from "../../ir/tensor.js";
import { checkGroupSize, type GroupSize } from "../../ir/ternary/groups.js";
import type { WorkFolder } from "../bundle/work-folder.js";
import { type FileReader, fileReader } from "../file-reader.js";
import { dataFileOf } from "../onnx-export/files.js";
import { modelFileOf, publishFolder } from "../onnx-export/publish.js";
import { batches } from "./batches.js";
import { bindSizes } from "./bind-sizes.js";
import { atWidth, STEP_OPTIONS } from "./descend.js";
import { STATE_FILE, type TrainingProgress, train } from "./engine/loop.js";
import { initialValues } from "./initial-values.js";
import { openLearned, saveLearned, withCodes } from "./learned.js";
import { identityOf, openMaterial } from "./material.js";
import { openStart } from "./open-start.js";
import { parametersOf } from "./parameters.js";
import { stepNumbers } from "./rate-schedule.js";
import { requireMemory } from "./require-memory.js";
import { codesOf } from "./start.js";
import { trainingStep } from "./step-graph.js";
import { trainedIn } from "./student.js";
import { writeStudent } from "./write-student.js";

export interface DistillOptions {
  /** A FLUX.1 transformer as `compileModel` takes it: the teacher. */
  readonly input: string;
  /** A folder that `tritc calibrate` wrote with it. */
  readonly calibration: string;
  /** A folder for `model.onnx` and `model.onnx_data`. */
  readonly out: string;
  /**
   * What the student is before the first step: `exact`, if absent; `calibrated`, which takes a calibration with moments; or the path
   * of a model whose blocks are ternary already.
   */
  readonly start?: string | undefined;
  /** Inputs of a row that share a scale; all of them if absent. */
  readonly group?: GroupSize | undefined;
  /** What is trained: everything, or everything but the codes of ternary weights; end-to-end if absent. */
  readonly stage?: "end-to-end" | "scales" | undefined;
  /** 1,000 if absent. */
  readonly steps?: number | undefined;
  /** Samples of a step; 96 if absent. */
  readonly batch?: number | undefined;
  /** Of the samples' order, noise and noise levels; 0 if absent. */
  readonly seed?: number | undefined;
  readonly threads?: number | undefined;
  /** Folder of the pipeline, whose schedule is trained for; found beside the model if absent. */
  readonly pipeline?: string | undefined;
  /** Seconds between two checkpoints; 120 if absent. */
  readonly interval?: number | undefined;
  /** Whether to go on from what a stopped training left beside `out`; true if absent. */
  readonly resume?: boolean;
  /** Remarks for people. */
  readonly onNotice?: (text: string) => void;
  readonly onProgress?: ((progress: TrainingProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DistillReport {
  readonly out: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** Samples of the calibration. */
  readonly samples: number;
  readonly steps: number;
  readonly batch: number;
  /** Parameters that were trained, */
  readonly parameters: number;
  /** and the model's ternary weights, which are among them but where scales alone were trained. */
  readonly ternaryWeights: number;
  /** The mean squared distance of the velocities in each step. */
  readonly losses: readonly number[];
  readonly seconds: number;
}

const STEPS = 1000;
const BATCH = 96;
const INTERVAL = 120;

/**
 * Trains ternary weights of a full-precision model end to end, so that they predict what it predicts on the way to its own
 * pictures; no other data goes in. A training that was stopped is gone on with; see `writeFolder`.
 *
 * Throws those of `readTeacher`, `openCalibration`, `train` and `writeFolder`, TRITC_E_CALIBRATION for a calibration of
 * another model, TRITC_E_RANGE.
 */
export async function distill(options: DistillOptions): Promise<DistillReport> {
  const { steps = STEPS, batch = BATCH, seed = 0, out, signal, onNotice } = options;
  checkWhole("steps", steps, 1, 1e7);
  checkWhole("batch", batch, 1, 1e5);
  checkWhole("seed", seed, 0, Number.MAX_SAFE_INTEGER);
  checkGroupSize(options.group);
  return publishFolder(out, { keep: [STATE_FILE], signal, onNotice }, async (work) => {
    const reader = fileReader();
    try {
      return await distillInto(work, { ...options, steps, batch, seed }, reader);
    } finally {
      reader.close();
    }
  });
}

async function distillInto(
  work: WorkFolder,
  options: DistillOptions & { readonly steps: number; readonly batch: number; readonly seed: number },
  reader: FileReader,
): Promise<DistillReport> {
  const started = performance.now();
  const { input, out, steps, batch, seed, pipeline, resume = true, threads, signal } = options;
  const material = await openMaterial({ input, pipeline, seed, calibration: options.calibration }, reader);
  const { teacher, calibration, symbols, noise } = material;
  const graph = bindSizes(teacher.graph, teacher.batchAxes, { batch, symbols });
  const { group = null } = options;
  const parameters = parametersOf(graph, group);
  const areFrozen = options.stage === "scales";
  requireMemory(trainedIn(parameters, areFrozen));
  const inputs = batches({ graph, batchAxes: teacher.batchAxes }, calibration, { ...noise, size: batch });
  // Not begun yet: of a training that this one does not go on with nothing is touched.
  if (!resume) await rm(work.journal, { recursive: true, force: true });
  const start = await openStart(teacher.graph, work.prepared, options, reader);
  const codes = areFrozen ? codesOf(parameters, start) : undefined;
  const stepOptions = atWidth(STEP_OPTIONS, teacher.model.hidden);
  const program = trainingStep(graph, stepOptions, undefined, { group, codes });
  const { trained } = program;
  const { engine, losses } = await train({
    program,
    initial: initialValues(trained, reader, start),
    loss: program.loss,
    steps,
    feeds: async (step) => new Map([...(await inputs(step)), ...stepNumbers(step, steps, stepOptions.adam)]),
    identity: identityOf(material, {
      ...{ batch, steps, start: start.identity },
      ...(areFrozen && { stage: "scales" }),
      ...(group !== null && { group }),
      ...stepOptions,
    }),
    folder: work.journal,
    interval: options.interval ?? INTERVAL,
    reader,
    threads,
    signal,
    onProgress: options.onProgress,
  }).finally(() => {
    work.isWorthKeeping = existsSync(join(work.journal, STATE_FILE));
  });
  const write = async () => {
    await work.begin([STATE_FILE]);
    const values = join(work.bundle, "values.tmp");
    await saveLearned(values, trained, engine.read);
    const learned = withCodes(openLearned(values), codes);
    const files = await writeStudent(work.bundle, teacher.graph, teacher.ports, learned, signal);
    await rm(values);
    return files;
  };
  const written = await write().finally(() => engine.close());
  const path = modelFileOf(out);
  return {
    out,
    files: [
      { path, bytes: written.modelBytes },
      { path: dataFileOf(path), bytes: written.dataBytes },
    ],
    samples: calibration.count,
    steps,
    batch,
    parameters: parametersIn(trained),
    ternaryWeights: parametersIn(parameters.flatMap(({ ternary, constant }) => (ternary ? [constant] : []))),
    losses,
    seconds: (performance.now() - started) / 1000,
  };
}

/** Parameters in values. */
export function parametersIn(values: readonly { readonly shape: readonly number[] }[]): number {
  return values.reduce((sum, { shape }) => sum + countOf(shape), 0);
}
