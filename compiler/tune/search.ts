import { OutOfTime, TookTooLong } from "./device-process.js";
import { type Decision, decide, leastFinals } from "./finals.js";
import { type Prepared, recordOf, type SearchContext, type Settled, takeNote } from "./search-context.js";
import { FIRST_RUNS, measureCase } from "./settle.js";
import { median, spreadOf } from "./statistics.js";
import type { Subject } from "./subjects.js";
import { loadInto, programKey, ratiosOf, runInTurns } from "./turns.js";
import type { Variant } from "./variants.js";

export interface Found extends Decision {
  readonly tried: number;
}

/** The share of a kernel's time that is left for measuring the best candidates against each other. */
const FINAL_SHARE = 0.3;
/** A candidate that takes so many times as long as the best is dropped, and after one run where it takes so many times. */
const LOSER = 1.25;
const FAR_BEHIND = 2;

/** Measures the kernel that is there. */
export async function prepare(
  subject: Subject,
  context: Omit<SearchContext, "onCandidate">,
): Promise<Prepared> {
  const begun = performance.now();
  const present = await context.variant(subject, subject.present);
  if (present === undefined) throw new RangeError(`no kernel ${subject.kernel.id}`);
  const making = (performance.now() - begun) / 1000;
  const settings: Settled[] = [];
  for (const counted of subject.cases) {
    const on = { process: context.process, device: subject.device };
    const { setting, runs } = await measureCase("present", counted, present, on);
    await context.process.free("present");
    const { seconds } = setting;
    // What took no time was not measured.
    const known = recordOf(subject, present, setting, context)?.seconds || seconds;
    settings.push({ ...setting, drift: seconds / known });
    await takeNote(subject, present, setting, "right", { seconds, spread: spreadOf(runs) }, context);
  }
  const seconds = settings.reduce((sum, setting) => sum + setting.seconds * setting.counted.count, 0);
  return { subject, present, making, settings, seconds };
}

/** The least seconds that it takes to try one candidate and to decide about it. */
export function leastSearch(prepared: Prepared): number {
  return leastTry(prepared) + leastFinals(prepared.settings);
}

/** Seconds that trying a candidate takes, by what the kernel that is there does. */
function leastTry({ making, settings }: Prepared): number {
  return settings.reduce(
    (sum, { loading, reloading, seconds, launches }) => sum + loading + reloading + 2 * seconds * launches,
    making,
  );
}

/**
 * Measures candidates for a kernel until `deadline` (of `performance.now()`), and the best of them against each other, all in turns with
 * the kernel that is there. Not with the best so far: that is the one that chance favoured, and so is what beats it. All results have to be
 * the kernel's to the bit. Throws OutOfTime where deciding would take longer than until `end`.
 */
export async function search(
  prepared: Prepared,
  { deadline, end }: { readonly deadline: number; readonly end: number },
  context: SearchContext,
): Promise<Found> {
  const { subject, present, settings, seconds: before } = prepared;
  const { process } = context;
  const begun = performance.now();
  const least = 1000 * leastFinals(settings);
  const lastTry = deadline - Math.max(FINAL_SHARE * (deadline - begun), least);
  // One that hangs or compiles for long takes from the others' time, but not so much that nothing comes of it.
  process.until = end - least;
  const ranked: { readonly variant: Variant; readonly seconds: number }[] = [];
  let best = before;
  let [tried, measured, spent] = [0, 1, 1000 * leastTry(prepared)];
  for (const config of subject.candidates) {
    context.signal?.throwIfAborted();
    const now = performance.now();
    if (now + spent / measured > lastTry) break;
    const variant = await context.variant(subject, config);
    const found = variant === undefined ? undefined : await tryOut(prepared, variant, best, context);
    if (found === "out of time") break;
    tried++;
    context.onCandidate();
    if (variant === undefined || found === undefined) continue;
    await forget(variant, settings, context);
    if (found.hasRun) {
      measured++;
      spent += performance.now() - now;
    }
    if (found.isLoser) continue;
    ranked.push({ variant, seconds: found.seconds });
    best = Math.min(best, found.seconds);
  }
  const finalists = ranked
    .filter(({ seconds }) => seconds < before * LOSER)
    .sort((a, b) => a.seconds - b.seconds)
    .map(({ variant }) => variant);
  if (finalists.length === 0) {
    await forget(present, settings, context);
    return { config: subject.present, before, after: before, spread: 0, tried };
  }
  process.until = end;
  return { ...(await decide(prepared, finalists, deadline, context)), tried };
}

/** A candidate that is good. */
interface Tried {
  /** Of its launches in a run of its program, as far as settings were measured. */
  readonly seconds: number;
  /** Whether it is plainly slower than the best. */
  readonly isLoser: boolean;
  /** Whether anything of it was measured now. */
  readonly hasRun: boolean;
}

/** What a candidate takes beside the best so far; undefined where it is no good. */
async function tryOut(
  prepared: Prepared,
  variant: Variant,
  best: number,
  context: SearchContext,
): Promise<Tried | "out of time" | undefined> {
  let [seconds, hasRun] = [0, false];
  for (const setting of prepared.settings) {
    const known = recordOf(prepared.subject, variant, setting, context);
    hasRun ||= known === undefined;
    const own =
      known === undefined
        ? await measure(prepared, variant, setting, FAR_BEHIND * (best / prepared.seconds), context)
        : known.seconds;
    if (own === "out of time") return own;
    // Null says that it was no good, which is not measured again.
    if (own === null) return undefined;
    seconds += (known === undefined ? own : own * setting.drift) * setting.counted.count;
    if (seconds > LOSER * best) return { seconds, isLoser: true, hasRun };
  }
  return { seconds, isLoser: false, hasRun };
}

/**
 * Seconds of a candidate's launch, by how much longer it takes than the kernel that is there, in turns with it: one is enough of what takes
 * `far` times as long.
 */
async function measure(
  { subject, present }: Prepared,
  variant: Variant,
  setting: Settled,
  far: number,
  context: SearchContext,
): Promise<number | null | "out of time"> {
  const { process } = context;
  let ratios: readonly number[] = [];
  try {
    if (!process.has(programKey(setting, present))) await loadInto(process, setting, present);
    if (!(await loadInto(process, setting, variant))) {
      await takeNote(subject, variant, setting, "wrong", null, context);
      await process.free(programKey(setting, variant));
      return null;
    }
    const [others = [], own = []] = await runInTurns(
      process,
      setting,
      [present, variant],
      ([others = [], own = []]) => own.length < FIRST_RUNS && median(ratiosOf(own, others)) < far,
    );
    ratios = ratiosOf(own, others);
  } catch (error) {
    context.signal?.throwIfAborted();
    if (error instanceof OutOfTime) return "out of time";
    await forget(variant, [setting], context);
    const outcome = error instanceof TookTooLong ? "hung" : "failed";
    await takeNote(subject, variant, setting, outcome, null, context);
    return null;
  }
  const seconds = setting.seconds * median(ratios);
  await takeNote(subject, variant, setting, "right", { seconds, spread: spreadOf(ratios) }, context);
  return seconds;
}

/** Frees a variant's programs. A process that cannot is ended. */
async function forget(
  variant: Variant,
  settings: readonly Settled[],
  { process }: SearchContext,
): Promise<void> {
  try {
    for (const setting of settings) await process.free(programKey(setting, variant));
  } catch {
    process.close();
  }
}
