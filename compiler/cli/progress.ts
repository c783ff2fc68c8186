import type { ProgressEvent } from "./events.js";

export interface Progress {
  /** @param values numbers that come with it, such as a loss */
  update(done: number, total: number, values?: Readonly<Record<string, number>>): void;
  stop(): void;
}

/** Milliseconds between two events of one phase; its first and its last come whenever they happen. */
const INTERVAL = 100;

/** Units a second since the first update; undefined until time and work have passed. */
export function rateMeter(): (done: number) => number | undefined {
  let first: { readonly done: number; readonly at: number } | undefined;
  return (done) => {
    first ??= { done, at: performance.now() };
    const seconds = (performance.now() - first.at) / 1000;
    return seconds > 0 && done > first.done ? (done - first.done) / seconds : undefined;
  };
}

/** Progress as events. */
export function progressEvents(phase: string, unit: string, emit: (event: ProgressEvent) => void): Progress {
  const rateOf = rateMeter();
  let last = Number.NEGATIVE_INFINITY;
  return {
    update(done, total, values) {
      const rate = rateOf(done);
      const now = performance.now();
      if (now - last < INTERVAL && done < total) return;
      last = now;
      const times = rate === undefined ? {} : { rate, secondsLeft: (total - done) / rate };
      emit({ event: "progress", phase, done, total, unit, ...times, ...(values && { values }) });
    },
    stop: () => undefined,
  };
}
