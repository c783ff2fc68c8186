import type { Finding } from "../tuning/records.js";
import { type Prepared, type SearchContext, takeNote } from "./search-context.js";
import type { Setting } from "./settle.js";
import { median, spreadOf, uncertaintyOf } from "./statistics.js";
import { loadInto, programKey, ratiosOf, runInTurns } from "./turns.js";
import type { Variant } from "./variants.js";

/** Candidates that are measured against each other in the end. */
const FINALISTS = 3;
/** Rounds of them: the fewest where time is short and where it is not, those after which it may be clear, and the most. */
const ROUNDS = { least: 3, fewest: 5, clear: 7, most: 15 } as const;
/** The standard error of a ratio beside what it is away from 1, and by itself, with which more rounds say nothing new. */
const CLEAR = { beside: 0.2, alone: 0.005 } as const;
/** What a change must gain to be worth it, whatever the spread is. */
const WORTHWHILE = 0.02;

/** What came of measuring candidates in turns with what is there. */
export type Decision = Pick<Finding, "config" | "before" | "after" | "spread">;

/** Seconds that it takes to measure so many candidates against the kernel that is there, by what that one takes. */
function secondsOfFinals(settings: readonly Setting[], candidates: number, rounds: number): number {
  return settings.reduce(
    (sum, { seconds, launches, reloading }) =>
      sum + (1 + candidates) * (reloading + rounds * seconds * launches),
    0,
  );
}

/** The least that deciding about a candidate takes. */
export function leastFinals(settings: readonly Setting[]): number {
  return secondsOfFinals(settings, 1, ROUNDS.least);
}

/**
 * Measures candidates, the best first, in turns with the kernel that is there, as many and as often as there is time until `deadline`. The
 * fastest takes its place where it gains more than the standard error of what it gains, and has left the same results to the bit before and
 * after its runs.
 */
export async function decide(
  { subject, present, settings, seconds }: Prepared,
  candidates: readonly Variant[],
  deadline: number,
  context: SearchContext,
): Promise<Decision> {
  const left = (deadline - performance.now()) / 1000;
  const count = [FINALISTS, 2, 1].find((n) => secondsOfFinals(settings, n, ROUNDS.fewest) <= left);
  const fewest = count === undefined ? ROUNDS.least : ROUNDS.fewest;
  const sums = candidates.slice(0, count ?? 1).map((variant) => ({ variant, after: 0, squares: 0 }));
  let before = 0;
  const wrong = new Set<Variant>();
  for (const [s, setting] of settings.entries()) {
    // Each number of rows has its part of the time that is left.
    const until = performance.now() + (deadline - performance.now()) / (settings.length - s);
    const finalists = sums.filter(({ variant }) => !wrong.has(variant));
    const variants = [present, ...finalists.map(({ variant }) => variant)];
    const [own = [], ...others] = await measured(setting, variants, { fewest, until }, wrong, context);
    const base = median(own) / setting.launches;
    before += base * setting.counted.count;
    await takeNote(subject, present, setting, "right", { seconds: base, spread: spreadOf(own) }, context);
    for (const [i, sum] of finalists.entries()) {
      const ratios = ratiosOf(others[i] ?? [], own);
      const isWrong = wrong.has(sum.variant);
      const timed = { seconds: base * median(ratios), spread: spreadOf(ratios) };
      const outcome = isWrong ? "wrong" : "right";
      await takeNote(subject, sum.variant, setting, outcome, isWrong ? null : timed, context);
      sum.after += timed.seconds * setting.counted.count;
      sum.squares += (uncertaintyOf(ratios) * timed.seconds * setting.counted.count) ** 2;
    }
  }
  const [winner] = sums.filter(({ variant }) => !wrong.has(variant)).sort((a, b) => a.after - b.after);
  if (winner === undefined) return { config: subject.present, before: seconds, after: seconds, spread: 0 };
  const { variant, after } = winner;
  const spread = Math.sqrt(winner.squares) / before;
  const gains = after < before * (1 - Math.max(WORTHWHILE, spread));
  return { config: gains ? variant.config : subject.present, before, after: gains ? after : before, spread };
}

/** Runs of each variant in turns at one number of rows; adds to `wrong` those that left other results. */
async function measured(
  setting: Setting,
  variants: readonly Variant[],
  { fewest, until }: { readonly fewest: number; readonly until: number },
  wrong: Set<Variant>,
  { process, signal }: SearchContext,
): Promise<readonly (readonly number[])[]> {
  const check = async () => {
    // Records may come from elsewhere, and not all that is wrong is so every time.
    for (const variant of variants) if (!(await loadInto(process, setting, variant))) wrong.add(variant);
  };
  await check();
  const runs = await runInTurns(process, setting, variants, ([own = [], ...others]) => {
    signal?.throwIfAborted();
    if (own.length < fewest) return true;
    if (own.length >= ROUNDS.clear && others.every((runs) => isClear(ratiosOf(runs, own)))) return false;
    return own.length < ROUNDS.most && performance.now() < until;
  });
  await check();
  for (const variant of variants) await process.free(programKey(setting, variant));
  return runs;
}

/** Whether more runs would say nothing else of whether a candidate is faster. */
export function isClear(ratios: readonly number[]): boolean {
  return uncertaintyOf(ratios) <= Math.max(CLEAR.alone, CLEAR.beside * Math.abs(1 - median(ratios)));
}
