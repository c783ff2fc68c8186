import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ByteReader } from "../../../ir/constant/constant.js";
import { decodeJson } from "../../../ir/format/decode.js";
import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import type { GroupSize } from "../../../ir/ternary/groups.js";
import { batches } from "../batches.js";
import type { StepOptions } from "../descend.js";
import { openEngine } from "../engine/engine.js";
import { type Feeds, train } from "../engine/loop.js";
import { drawUniforms } from "../engine/random.js";
import { initialValues } from "../initial-values.js";
import { notesOf, onLearned, openLearned, saveLearned } from "../learned.js";
import { targetOf, towardsTargets } from "../loss.js";
import type { Material } from "../material.js";
import { stepNumbers } from "../rate-schedule.js";
import type { Start } from "../start.js";
import { trainingStep } from "../step-graph.js";
import type { CutModel } from "./pieces.js";
import { type BlockResult, blockFile, blockResult } from "./result.js";
import { type Stream, type StreamReader, Streams } from "./streams.js";

export interface CourseOptions {
  readonly model: CutModel;
  readonly material: Material;
  readonly start: Start;
  /** Inputs of a row that share a scale; null: all of them. */
  readonly group: GroupSize | null;
  /** The blocks that are trained, from 0 on: `first` and all before `end`. */
  readonly first: number;
  readonly end: number;
  readonly states: number;
  /** Of each block. */
  readonly steps: number;
  readonly step: StepOptions;
  readonly identity: string;
  /** For learned values, streams and the state of training. */
  readonly folder: string;
  readonly interval: number;
  readonly reader: ByteReader;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: CourseProgress) => void) | undefined;
}

export interface CourseProgress {
  /** states: what comes before the blocks. teacher, student: a block on all states. training: steps of a block. */
  readonly phase: "states" | "teacher" | "training" | "student";
  /** The block, and which of those that are trained it is, from 1 on; 0 for one before them. */
  readonly block: string;
  readonly index: number;
  readonly blocks: number;
  readonly done: number;
  readonly total: number;
  /** Of a training step, and the time that all steps of all blocks still take at the rate of those that were done now. */
  readonly loss?: number;
  readonly secondsLeft?: number;
}

/** States that a value's variance is taken from. */
const MOST_MEASURED = 256;
/** What random numbers of a step are drawn for; see `batches`. */
const CHOICE = 3;

/**
 * Trains blocks one after the other, each to make the teacher's values from what the blocks before it, trained already, make.
 * Of weights and state never more than one block's is in memory. All that is done lies in files, whole or not there, so that
 * whatever is missing is made when it is needed.
 */
export class Course {
  readonly #streams: Streams;
  /** Steps that were done when this process began to train, and when that was. */
  #begun: { readonly steps: number; readonly at: number } | undefined;

  constructor(private readonly options: CourseOptions) {
    const { folder, model, states, first } = options;
    this.#streams = new Streams(folder, model.crossings, states, first);
  }

  async run(): Promise<readonly BlockResult[]> {
    const results: BlockResult[] = [];
    for (let k = this.options.first; k < this.options.end; k++) results.push(await this.#learn(k));
    return results;
  }

  /** The file of what a block has learned. */
  fileOf(k: number): string {
    return join(this.options.folder, blockFile(this.#block(k).name));
  }

  #block(k: number): Graph {
    const block = this.options.model.blocks[k];
    if (block === undefined) throw new RangeError(`there is no block ${k}`);
    return block;
  }

  async #learn(k: number): Promise<BlockResult> {
    const file = this.fileOf(k);
    const state = join(this.options.folder, `${this.#block(k).name}.training`);
    if (!existsSync(file)) {
      for (const id of this.#block(k).outputs) await this.#need("teacher", id);
      for (const id of this.#block(k).inputs) await this.#need("student", id);
      await this.#train(k, state, file);
    }
    await rm(state, { recursive: true, force: true });
    return decodeJson(JSON.stringify(notesOf(file)), blockResult, file, "remove the file");
  }

  async #need(stream: Stream, id: ValueId): Promise<void> {
    if (this.#streams.has(stream, id)) return;
    const madeBy = this.options.model.crossings.get(id)?.madeBy ?? -1;
    if (madeBy < 0) return this.#begin();
    const as = madeBy < this.options.first ? "teacher" : stream;
    if (as === "student") await this.#learn(madeBy);
    for (const input of this.#block(madeBy).inputs) await this.#need(as, input);
    await this.#compute(as, madeBy);
  }

  /** What comes before the blocks, of noised samples. */
  async #begin(): Promise<void> {
    const { model, material } = this.options;
    const { prefix, batch, whole, crossings } = model;
    const { teacher, calibration, noise } = material;
    const inputs = batches({ graph: whole, batchAxes: teacher.batchAxes }, calibration, {
      ...noise,
      size: batch,
    });
    const ids = [...crossings].flatMap(([id, { madeBy }]) => (madeBy < 0 ? [id] : []));
    await this.#roll("states", "teacher", prefix, ids, inputs);
  }

  /** A block on all states; then goes what nobody reads any more. */
  async #compute(stream: Stream, k: number): Promise<void> {
    const { first, model } = this.options;
    const block = this.#block(k);
    const graph = stream === "teacher" ? block : onLearned(block, openLearned(this.fileOf(k)));
    const reader = await this.#streams.open(stream, block.inputs);
    const read = (i: number) => reader.read(this.#batchOf(i));
    await this.#roll(stream, stream, graph, block.outputs, read).finally(() => reader.close());
    for (const [id, { madeBy, lastReader }] of model.crossings) {
      // The first block's student reads what the teacher has read.
      const isShared = madeBy < first && k >= first && stream === "teacher";
      if (lastReader <= k && !isShared) await this.#streams.drop(stream, id);
    }
  }

  /** The i-th states; where there are no more, the first ones again. */
  #batchOf(i: number): readonly number[] {
    const { model, states } = this.options;
    return Array.from({ length: model.batch }, (_, j) => (i * model.batch + j) % states);
  }

  async #roll(
    phase: CourseProgress["phase"],
    stream: Stream,
    graph: Graph,
    ids: readonly ValueId[],
    inputs: (i: number) => Promise<Feeds>,
  ): Promise<void> {
    const { signal, reader, threads, model, states } = this.options;
    const unfed = (id: ValueId): never => {
      throw new Error(`${id} is no state`);
    };
    const engine = await openEngine({ graph, state: [] }, unfed, { reader, threads });
    try {
      await this.#streams.write(stream, ids, model.batch, async (i) => {
        signal?.throwIfAborted();
        const feeds = await inputs(i);
        const results = await engine.run(feeds);
        this.#tell(phase, graph.name, Math.min(states, (i + 1) * model.batch), states);
        return new Map([...feeds, ...results]);
      });
    } finally {
      await engine.close();
    }
  }

  async #train(k: number, folder: string, file: string): Promise<void> {
    const { start, group, steps, identity, reader, model } = this.options;
    const started = performance.now();
    const block = this.#block(k);
    const program = trainingStep(block, this.options.step, towardsTargets(block), { group });
    const inputs = await this.#streams.open("student", block.inputs);
    const targets = await this.#streams.open("teacher", block.outputs);
    try {
      const weights = await this.#weights(block.outputs, targets);
      const feeds = async (step: number): Promise<Feeds> => {
        const chosen = drawUniforms(
          { seed: this.options.material.noise.seed, step, purpose: CHOICE },
          model.batch,
        );
        const states = Array.from(chosen, (u) => Math.floor(u * this.options.states));
        const values = await targets.read(states);
        return new Map([
          ...(await inputs.read(states)),
          ...[...values].map(([id, value]) => [targetOf(id).value, value] as const),
          ...weights,
          ...stepNumbers(step, steps, this.options.step.adam),
        ]);
      };
      const { engine, losses } = await train({
        ...this.options,
        ...{ program, steps, feeds, folder },
        initial: initialValues(program.trained, reader, start),
        loss: program.loss,
        identity: `${identity} ${block.name}`,
        onProgress: ({ step, loss }) => this.#tellStep(block.name, step, steps, loss),
      });
      try {
        // Of what the last rate, 0, moves nothing is kept.
        const last = await engine.run(
          new Map([...(await feeds(0)), ...stepNumbers(steps, steps, this.options.step.adam)]),
        );
        const result: BlockResult = {
          block: block.name,
          losses,
          before: losses[0] ?? Number.NaN,
          after: Number(last.get(program.loss)?.data[0]),
          seconds: (performance.now() - started) / 1000,
        };
        await saveLearned(file, program.trained, engine.read, result);
      } finally {
        await engine.close();
      }
    } finally {
      await inputs.close();
      await targets.close();
    }
  }

  /** What the distance from each target counts: one over its variance over states, rows and channels. */
  async #weights(ids: readonly ValueId[], targets: StreamReader): Promise<Feeds> {
    const { model, states } = this.options;
    const sums = new Map(ids.map((id) => [id, { count: 0, sum: 0, squares: 0 }]));
    for (let i = 0; i * model.batch < Math.min(states, MOST_MEASURED); i++) {
      for (const [id, { data }] of await targets.read(this.#batchOf(i))) {
        const sum = sums.get(id);
        if (sum === undefined || !(data instanceof Float32Array)) continue;
        sum.count += data.length;
        for (const x of data) {
          sum.sum += x;
          sum.squares += x * x;
        }
      }
    }
    return new Map(
      [...sums].map(([id, { count, sum, squares }]) => {
        const variance = squares / count - (sum / count) ** 2;
        return [
          targetOf(id).weight,
          { dtype: "f32", shape: [], data: Float32Array.of(1 / Math.max(variance, 1e-12)) },
        ];
      }),
    );
  }

  #tell(phase: CourseProgress["phase"], block: string, done: number, total: number): void {
    this.options.onProgress?.({ phase, block, ...this.#place(block), done, total });
  }

  #tellStep(block: string, done: number, total: number, loss: number): void {
    const place = this.#place(block);
    const steps = (place.index - 1) * total + done;
    const now = performance.now();
    this.#begun ??= { steps, at: now };
    const { steps: before, at } = this.#begun;
    const rate = (steps - before) / ((now - at) / 1000);
    const left = rate > 0 ? { secondsLeft: (place.blocks * total - steps) / rate } : {};
    this.options.onProgress?.({ phase: "training", block, ...place, done, total, loss, ...left });
  }

  #place(block: string): { readonly index: number; readonly blocks: number } {
    const { first, end, model } = this.options;
    const at = model.blocks.findIndex(({ name }) => name === block);
    return { index: Math.max(0, at - first + 1), blocks: end - first };
  }
}
