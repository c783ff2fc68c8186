import type { Measured } from "./measure.js";
import type { BenchResult, MeasuredSubject } from "./result.js";

/** A task now and then. */
export interface Comparison {
  readonly subject: string;
  readonly task: string;
  /** Time now over time then: above 1 is slower. */
  readonly ratio: number;
  /** Of the ratio: both spreads together. */
  readonly spread: number;
  /** The same of times over the peer's, which another load of the machine changes less; null where there is none. */
  readonly againstPeer: number | null;
  readonly peerSpread: number | null;
}

/** What both results have, in the order of the new one. */
export function compareResults(now: BenchResult, then: BenchResult): readonly Comparison[] {
  const known = new Map(then.subjects.map((subject) => [subject.name, subject]));
  return now.subjects.flatMap((subject) => {
    const old = known.get(subject.name);
    return old === undefined ? [] : compareSubjects(subject, old);
  });
}

/** What besides the code may make times of two results others, in words. */
export function differencesOf(now: BenchResult, then: BenchResult): readonly string[] {
  const about = ({ machine, target, device, threads }: BenchResult) => ({
    processor: machine.processor,
    cores: machine.cores,
    target,
    device,
    threads,
  });
  const before: Readonly<Record<string, string | number>> = about(then);
  return Object.entries(about(now)).flatMap(([name, value]) =>
    // Where no subject opens the device it is none.
    value === before[name] || value === "none" || before[name] === "none"
      ? []
      : [`${name} ${value} now, ${before[name]} then`],
  );
}

function compareSubjects({ name, tasks }: MeasuredSubject, old: MeasuredSubject): readonly Comparison[] {
  return tasks.flatMap((task): readonly Comparison[] => {
    const before = old.tasks.find((other) => other.name === task.name);
    if (before === undefined) return [];
    const againstPeer = peerRatio(task, before);
    return [
      {
        subject: name,
        task: task.name,
        ratio: task.median / before.median,
        spread: (task.median / before.median) * Math.hypot(task.spread, before.spread),
        againstPeer,
        peerSpread:
          againstPeer === null
            ? null
            : againstPeer * Math.hypot(task.speedupSpread ?? 0, before.speedupSpread ?? 0),
      },
    ];
  });
}

function peerRatio({ speedup: now }: Measured, { speedup: then }: Measured): number | null {
  return now === null || then === null ? null : then / now;
}

/** What is told apart best: the time over the peer's where there is a peer. */
export function tellingRatio({ ratio, spread, againstPeer, peerSpread }: Comparison): {
  readonly ratio: number;
  readonly spread: number;
} {
  return againstPeer === null ? { ratio, spread } : { ratio: againstPeer, spread: peerSpread ?? 0 };
}

/** Whether the difference is no more than what runs differ by anyway: as a factor, whichever way it goes. */
export function isWithinSpread(comparison: Comparison): boolean {
  const { ratio, spread } = tellingRatio(comparison);
  return Math.max(ratio, 1 / ratio) <= 1 + spread / ratio;
}

/** Those that are slower by more than a factor, and by more than the spread. */
export function slowerThan(comparisons: readonly Comparison[], factor: number): readonly Comparison[] {
  return comparisons.filter((one) => tellingRatio(one).ratio > factor && !isWithinSpread(one));
}
