import { Bench } from "tinybench";
import { median, spreadOf } from "../../compiler/tune/statistics.js";
import type { Opened, Task } from "./subject.js";

/** Times that tasks take turns. */
const ROUNDS = 5;

/** How one way of doing a subject's work went. */
export interface Measured {
  readonly name: string;
  readonly isPeer: boolean;
  /** Runs that were timed. */
  readonly samples: number;
  /** Seconds of a run: the median of the rounds' medians, and the fastest of all. */
  readonly median: number;
  readonly best: number;
  /** Half the distance of the quartiles of the rounds' medians over their median. */
  readonly spread: number;
  /** Seconds of all processors in a run. */
  readonly processor: number;
  /** The peer's time over this one's, by rounds: above 1 is faster. Null without a peer, and for it. */
  readonly speedup: number | null;
  readonly speedupSpread: number | null;
  /** The same by processors' seconds. */
  readonly processorSpeedup: number | null;
  /** ‖found − peer's‖ / ‖peer's‖; null where results are not compared. */
  readonly error: number | null;
}

interface Rounds {
  readonly medians: number[];
  readonly processor: number[];
  samples: number;
  best: number;
}

/**
 * Measures the tasks of a subject in turns, so that whatever else the machine does meets them all; each gets `time` milliseconds
 * in all, and a run in each round at least. Throws where one computes something else than the peer.
 */
export async function measure({ tasks }: Opened, time: number): Promise<readonly Measured[]> {
  const errors = await errorsOf(tasks);
  const rounds = tasks.map(
    (): Rounds => ({ medians: [], processor: [], samples: 0, best: Number.POSITIVE_INFINITY }),
  );
  for (let round = 0; round < ROUNDS; round++) {
    // Nobody is always behind the same other one, whose threads may still wait for more.
    for (let i = 0; i < tasks.length; i++) {
      const at = (i + round) % tasks.length;
      const [task, own] = [tasks[at], rounds[at]];
      if (task !== undefined && own !== undefined) await take(task, own, time / ROUNDS, round === 0);
    }
  }
  const peer = rounds[tasks.findIndex(({ isPeer }) => isPeer === true)];
  return tasks.map((task, i) => summaryOf(task, rounds[i] ?? fail(task), peer, errors[i] ?? null));
}

/** Runs a task for a while. */
async function take({ name, run }: Task, own: Rounds, time: number, warms: boolean): Promise<void> {
  let used = { user: 0, system: 0 };
  const bench = new Bench({
    ...{ time, iterations: 1, warmup: warms, warmupIterations: 1, warmupTime: time, throws: true },
    setup: () => {
      used = process.cpuUsage();
    },
    teardown: () => {
      used = process.cpuUsage(used);
    },
  });
  bench.add(name, () => run());
  await bench.run();
  const [task] = bench.tasks;
  if (task?.result.state !== "completed") throw new Error(`${name}: ${task?.result.state}`);
  const { latency } = task.result;
  own.medians.push(latency.p50 / 1000);
  own.processor.push((used.user + used.system) / 1e6 / latency.samplesCount);
  own.samples += latency.samplesCount;
  own.best = Math.min(own.best, latency.min / 1000);
}

function summaryOf(
  { name, isPeer = false }: Task,
  own: Rounds,
  peer: Rounds | undefined,
  error: number | null,
): Measured {
  const against = (of: "medians" | "processor") =>
    peer === undefined || peer === own
      ? null
      : own[of].map((value, i) => (peer[of][i] ?? Number.NaN) / value);
  const [speedups, ofProcessor] = [against("medians"), against("processor")];
  return {
    name,
    isPeer,
    samples: own.samples,
    median: median(own.medians),
    best: own.best,
    spread: spreadOf(own.medians),
    processor: median(own.processor),
    speedup: speedups && median(speedups),
    speedupSpread: speedups && spreadOf(speedups),
    processorSpeedup: ofProcessor && median(ofProcessor),
    error,
  };
}

/** How far each result is from the peer's. */
async function errorsOf(tasks: readonly Task[]): Promise<readonly (number | null)[]> {
  const peer = tasks.find(({ isPeer, result }) => isPeer === true && result !== undefined);
  const wanted = await peer?.result?.();
  const errors: (number | null)[] = [];
  for (const task of tasks) {
    const found = task === peer ? undefined : await task.result?.();
    const error = found === undefined || wanted === undefined ? null : distance(found, wanted);
    // Not a number is not below the tolerance either.
    if (error !== null && !(error <= (task.tolerance ?? 0)))
      throw new Error(`${task.name} computes something else than ${peer?.name}: by ${error} of its norm`);
    errors.push(error);
  }
  return errors;
}

function distance(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (found.length !== wanted.length) return Number.NaN;
  let [sum, norm] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const w = Number(wanted[i]);
    sum += (Number(found[i]) - w) ** 2;
    norm += w ** 2;
  }
  return Math.sqrt(sum / norm);
}

function fail({ name }: Task): never {
  throw new RangeError(`${name} was not measured`);
}
