import { join } from "node:path";
import type { ValueId } from "../../../ir/graph/graph.js";
import type { Tensor } from "../../../ir/tensor.js";
import { holdInterrupt } from "../../interruptible.js";
import { makeFolder } from "../../make-folder.js";
import { type Checkpoint, openCheckpoint, writeCheckpoint } from "./checkpoint.js";
import {
  type Engine,
  type EngineOptions,
  type InitialState,
  openEngine,
  type StepProgram,
} from "./engine.js";
import { badCheckpoint, diverged } from "./errors.js";

export type Feeds = ReadonlyMap<ValueId, Tensor>;

export interface TrainingOptions extends EngineOptions {
  readonly program: StepProgram;
  /** State before step 0. */
  readonly initial: InitialState;
  /** The scalar output that says how well a step did. */
  readonly loss: ValueId;
  readonly steps: number;
  /** What a step is fed. By the number of the step alone: a training that goes on is then the one that was never stopped. */
  readonly feeds: (step: number) => Feeds | Promise<Feeds>;
  /** Says all that the result depends on; state that was trained under another identity is refused. */
  readonly identity: string;
  /** Where the state is kept: in one file, `training.safetensors`. */
  readonly folder: string;
  /** Seconds between two checkpoints; there is another when the training ends or is stopped. */
  readonly interval: number;
  /** Stops after the step that runs, whose state is kept. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: TrainingProgress) => void) | undefined;
}

export interface TrainingProgress {
  /** Steps that are done. */
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  /** Steps per second, since this process began to train. */
  readonly rate: number;
  readonly secondsLeft: number;
}

export interface TrainingResult {
  /** Holds the state after the last step; the caller closes it. */
  readonly engine: Engine;
  /** The loss of each step. */
  readonly losses: readonly number[];
}

/** The file of the state in a training's folder. */
export const STATE_FILE = "training.safetensors";

/**
 * Trains, from the start or from where the folder's checkpoint is. Whoever stops it and calls it again gets what an
 * uninterrupted training gives, to the bit, on a machine of one kind with one number of threads.
 *
 * @throws TritcError `TRITC_E_DIVERGED` if the loss or the state is not finite, `TRITC_E_TRAINING_STATE` if the checkpoint is
 *   damaged or of another training, what `openEngine` and files throw, and the signal's reason
 */
export async function train(options: TrainingOptions): Promise<TrainingResult> {
  const { program, initial, folder, identity, signal } = options;
  const path = join(folder, STATE_FILE);
  const checkpoint = await openCheckpoint(path, program);
  try {
    const losses = checkpoint === undefined ? [] : lossesOf(checkpoint, path, options);
    signal?.throwIfAborted();
    const engine = await openEngine(program, (id) => (checkpoint ?? { read: initial }).read(id), options);
    try {
      // Not before there is something in it: a training that is killed at once leaves nothing.
      const save = async () => {
        await makeFolder(folder);
        await writeCheckpoint(path, program, engine, { identity, losses });
      };
      await runSteps(engine, losses, options, save);
      return { engine, losses };
    } catch (error) {
      await engine.close();
      throw error;
    }
  } finally {
    checkpoint?.close();
  }
}

/** Runs the steps that remain, and adds their losses. */
async function runSteps(
  engine: Engine,
  losses: number[],
  options: TrainingOptions,
  save: () => Promise<void>,
): Promise<void> {
  const { steps, interval, signal, onProgress } = options;
  const begun = { step: losses.length, time: performance.now() };
  let saved = begun.time;
  let release: (() => void) | undefined;
  let feeds = losses.length < steps ? await options.feeds(losses.length) : undefined;
  try {
    while (feeds !== undefined) {
      signal?.throwIfAborted();
      const step = losses.length + 1;
      // What the next step is fed is made while this one runs in its process.
      const [results, next]: readonly [Feeds, Feeds | undefined] = await Promise.all([
        engine.run(feeds),
        step < steps ? options.feeds(step) : undefined,
      ]);
      const loss = lossOf(results, losses, options);
      losses.push(loss);
      release ??= holdInterrupt();
      const now = performance.now();
      const rate = ((step - begun.step) / (now - begun.time)) * 1000;
      onProgress?.({ step, steps, loss, rate, secondsLeft: (steps - step) / rate });
      if (step === steps || signal?.aborted || now - saved >= interval * 1000) {
        await save();
        saved = performance.now();
        release();
        release = undefined;
      }
      feeds = next;
    }
  } finally {
    release?.();
  }
}

function lossOf(results: Feeds, losses: readonly number[], { loss, steps }: TrainingOptions): number {
  const value = Number(results.get(loss)?.data[0]);
  if (Number.isFinite(value)) return value;
  const before = losses.length === 0 ? "" : `, after ${losses.at(-1)} in the step before`;
  throw diverged(`step ${losses.length + 1} of ${steps}`, `a loss of ${value}${before}`);
}

/** Losses of the steps that a checkpoint is after. */
function lossesOf(checkpoint: Checkpoint, path: string, { identity, steps }: TrainingOptions): number[] {
  const notes = Object(checkpoint.notes) as { readonly identity?: unknown; readonly losses?: unknown };
  const { losses } = notes;
  if (notes.identity !== identity) {
    throw badCheckpoint(path, "the checkpoint is of another training", identity, String(notes.identity));
  }
  if (!Array.isArray(losses) || losses.length > steps || !losses.every((loss) => typeof loss === "number")) {
    throw badCheckpoint(
      path,
      "the checkpoint is of a longer training",
      `${steps} steps at most`,
      `${Array.isArray(losses) ? losses.length : 0} steps`,
    );
  }
  return losses;
}
