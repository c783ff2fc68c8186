import { existsSync, readFileSync } from "node:fs";
import { constants, copyFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkWhole } from "../../../ir/bounds.js";
import type { Graph } from "../../../ir/graph/graph.js";
import { countOf } from "../../../ir/tensor.js";
import { checkGroupSize } from "../../../ir/ternary/groups.js";
import { writeFileAtomic } from "../../atomic-file.js";
import { writeFolder } from "../../bundle/staging.js";
import type { WorkFolder } from "../../bundle/work-folder.js";
import { type FileReader, fileReader } from "../../file-reader.js";
import { makeFolder } from "../../make-folder.js";
import { dataFileOf } from "../../onnx-export/files.js";
import { modelFileOf, publishFolder } from "../../onnx-export/publish.js";
import type { Shard } from "../../shard.js";
import { atWidth, STEP_OPTIONS, type StepOptions } from "../descend.js";
import type { DistillOptions } from "../distill.js";
import { badCheckpoint } from "../engine/errors.js";
import { openLearned } from "../learned.js";
import { identityOf, openMaterial } from "../material.js";
import { openStart } from "../open-start.js";
import { parametersOf } from "../parameters.js";
import { requireMemory } from "../require-memory.js";
import { trainedOf } from "../student.js";
import { writeStudent } from "../write-student.js";
import { Course, type CourseProgress } from "./course.js";
import { cutForBatches } from "./pieces.js";
import { type BlockResult, blockFile } from "./result.js";
import { SEGMENT_FILE, type Segment, segmentThere } from "./segment-folder.js";
import { segmentOf } from "./segments.js";
import { unshare } from "./unshare.js";

export interface DistillBlocksOptions extends Omit<DistillOptions, "onProgress"> {
  /** Noised states of the calibration's samples that every block learns from; 2,048 if absent. */
  readonly states?: number | undefined;
  /** One segment of the blocks, which goes to `out` instead of a model; all blocks if absent. */
  readonly shard?: Shard | undefined;
  readonly onProgress?: ((progress: CourseProgress) => void) | undefined;
}

export interface DistillBlocksReport {
  readonly out: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly samples: number;
  readonly states: number;
  readonly steps: number;
  readonly batch: number;
  readonly parameters: number;
  readonly ternaryWeights: number;
  readonly blocks: readonly BlockResult[];
  readonly seconds: number;
}

const STATES = 2048;
const STEPS = 200;
const BATCH = 32;
const INTERVAL = 120;
/** A block alone bears more than a model, and has fewer steps. */
const BLOCK_STEP: StepOptions = { ...STEP_OPTIONS, latentRate: 0.035, scaleRate: 1e-3, rate: 1e-3 };
/** What the training in a journal is of. */
const IDENTITY_FILE = "identity.json";

/**
 * Trains the ternary weights of a full-precision model block by block, with the weights of one block in memory. Of a segment
 * goes a folder to `out`, of all blocks a model. A training that was stopped is gone on with; see `writeFolder`.
 *
 * Throws those of `openMaterial`, `openStart`, `train` and `writeFolder`, TRITC_E_TRAINING_STATE and TRITC_E_RANGE.
 */
export async function distillBlocks(options: DistillBlocksOptions): Promise<DistillBlocksReport> {
  const { states = STATES, steps = STEPS, batch = BATCH, seed = 0, out, shard, signal, onNotice } = options;
  checkWhole("states", states, 1, 1e8);
  checkWhole("steps", steps, 1, 1e7);
  checkWhole("batch", batch, 1, 1e5);
  checkWhole("seed", seed, 0, Number.MAX_SAFE_INTEGER);
  checkGroupSize(options.group);
  const staging = { keep: [IDENTITY_FILE], signal, onNotice };
  const reader = fileReader();
  const write = (work: WorkFolder) => distillInto(work, { ...options, states, steps, batch, seed }, reader);
  try {
    if (shard === undefined) return await publishFolder(out, staging, write);
    return await writeFolder(out, { ...staging, look: segmentThere }, write);
  } finally {
    reader.close();
  }
}

type Complete = DistillBlocksOptions & Readonly<Record<"states" | "steps" | "batch" | "seed", number>>;

async function distillInto(
  work: WorkFolder,
  options: Complete,
  reader: FileReader,
): Promise<DistillBlocksReport> {
  const started = performance.now();
  const { out, states, steps, batch, group = null, shard, resume = true, signal } = options;
  const material = await openMaterial(options, reader);
  const { teacher, calibration, symbols } = material;
  const whole = unshare(teacher.graph);
  const model = cutForBatches({ ...teacher, graph: whole }, symbols, batch);
  const trained = model.blocks.map((block) => parametersOf(block, group).flatMap(trainedOf));
  const sizes = trained.map((values) => values.reduce((sum, { shape }) => sum + countOf(shape), 0));
  const { first, end } = segmentOf(sizes, shard ?? { index: 1, count: 1 });
  const own = trained.slice(first, end);
  for (const values of own) requireMemory(values);
  if (!resume) await rm(work.journal, { recursive: true, force: true });
  const names = model.blocks.slice(first, end).map(({ name }) => name);
  const graph = options.start === "calibrated" ? onlyBlocks(whole, names) : whole;
  const start = await openStart(graph, work.prepared, options, reader);
  const step = atWidth(BLOCK_STEP, teacher.model.hidden);
  const identity = identityOf(material, {
    ...{ stage: "blocks", states, steps, batch, start: start.identity },
    ...(group !== null && { group }),
    ...step,
  });
  await claim(work.journal, shard === undefined ? identity : `${identity} ${shard.index}/${shard.count}`);
  work.isWorthKeeping = true;
  const course = new Course({
    ...options,
    ...{ model, material, start, group, first, end, step, identity, reader },
    folder: work.journal,
    interval: options.interval ?? INTERVAL,
  });
  const blocks = await course.run();
  await work.begin([IDENTITY_FILE]);
  const files: { path: string; bytes: number }[] = [];
  if (shard === undefined) {
    const learned = new Map(names.flatMap((_, i) => [...openLearned(course.fileOf(first + i))]));
    const { modelBytes, dataBytes } = await writeStudent(work.bundle, whole, teacher.ports, learned, signal);
    const path = modelFileOf(out);
    files.push({ path, bytes: modelBytes }, { path: dataFileOf(path), bytes: dataBytes });
  } else {
    const { model: description } = teacher;
    const segment: Segment = {
      format: "tritc-segment/1",
      model: description,
      group,
      identity,
      shard,
      blocks,
    };
    for (const [i, name] of names.entries()) {
      await copyFile(
        course.fileOf(first + i),
        join(work.bundle, blockFile(name)),
        constants.COPYFILE_FICLONE,
      );
      const { size } = await stat(join(work.bundle, blockFile(name)));
      files.push({ path: join(out, blockFile(name)), bytes: size });
    }
    const text = `${JSON.stringify(segment, null, 1)}\n`;
    await writeFile(join(work.bundle, SEGMENT_FILE), text);
    files.push({ path: join(out, SEGMENT_FILE), bytes: Buffer.byteLength(text) });
  }
  const count = (kinds: readonly string[]) =>
    own.flat().reduce((sum, { kind, shape }) => sum + (kinds.includes(kind) ? countOf(shape) : 0), 0);
  return {
    ...{ out, files, states, steps, batch, blocks },
    samples: calibration.count,
    parameters: count(["latent", "scale", "plain"]),
    ternaryWeights: count(["latent"]),
    seconds: (performance.now() - started) / 1000,
  };
}

/** The roles of all other linears are forgotten: they do not become ternary. */
function onlyBlocks(graph: Graph, names: readonly string[]): Graph {
  const nodes = graph.nodes.map((node) => {
    if (node.op !== "linear" || names.some((name) => node.attrs.role?.startsWith(`${name}.`))) return node;
    return { ...node, attrs: { ...node.attrs, role: null } };
  });
  return { ...graph, nodes };
}

/** Makes a folder that of a training, or refuses one that is another's: TRITC_E_TRAINING_STATE. */
async function claim(folder: string, identity: string): Promise<void> {
  const path = join(folder, IDENTITY_FILE);
  if (!existsSync(folder)) {
    await makeFolder(folder);
    await writeFileAtomic(path, (file) => file.writeFile(identity));
  }
  const found = existsSync(path) ? readFileSync(path, "utf8") : "a training of another stage";
  if (found !== identity) throw badCheckpoint(path, "the training here is another", identity, found);
}
