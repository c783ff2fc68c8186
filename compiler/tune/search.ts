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
/** A candidate that takes so much longer than the best is dropped, and after one run where it takes so much longer. */
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
    const known = recordOf(subject, present, setting, context)?.seconds ?? seconds;
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

/** What others are measured in turns with: the kernel that is there, or the best so far. */
interface Leader {
  readonly variant: Variant;
  /** Of a launch in each setting. */
  readonly seconds: readonly number[];
}

/**
 * Measures candidates for a kernel until `deadline` (of `performance.now()`), each in turns with the best so far, and the best of them in
 * turns with the kernel that is there. All results have to be its results to the bit. Throws OutOfTime where deciding would take longer
 * than until `end`.
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
  let leader: Leader = { variant: present, seconds: settings.map(({ seconds }) => seconds) };
  let [tried, measured, spent] = [0, 1, 1000 * leastTry(prepared)];
  for (const config of subject.candidates) {
    context.signal?.throwIfAborted();
    const now = performance.now();
    if (now + spent / measured > lastTry) break;
    const variant = await context.variant(subject, config);
    const found =
      variant === undefined ? undefined : await tryOut(subject, variant, settings, leader, context);
    if (found === "out of time") break;
    tried++;
    context.onCandidate();
    if (variant === undefined || found === undefined) continue;
    if (found.hasRun) {
      measured++;
      spent += performance.now() - now;
    }
    const seconds = sumOf(settings, found.seconds);
    const leads = found.isComplete && seconds < sumOf(settings, leader.seconds);
    await forget(leads ? leader.variant : variant, settings, context);
    if (leads) leader = { variant, seconds: found.seconds };
    if (!found.isLoser) ranked.push({ variant, seconds });
  }
  const finalists = ranked
    .filter(({ seconds }) => seconds < before * LOSER)
    .sort((a, b) => a.seconds - b.seconds)
    .map(({ variant }) => variant);
  if (finalists.length === 0) return { config: subject.present, before, after: before, spread: 0, tried };
  process.until = end;
  return { ...(await decide(prepared, finalists, deadline, context)), tried };
}

/** Seconds of a kernel's launches in a run of its program, by those of a launch in each setting. */
function sumOf(settings: readonly Settled[], seconds: readonly number[]): number {
  return seconds.reduce((sum, one, s) => sum + one * (settings[s]?.counted.count ?? 0), 0);
}

/** A candidate that is good. */
interface Tried {
  /** Of a launch, as far as settings were measured. */
  readonly seconds: readonly number[];
  /** Whether it is plainly slower than the best. */
  readonly isLoser: boolean;
  /** Whether it was measured now, and in all of them, so that its programs are loaded. */
  readonly hasRun: boolean;
  readonly isComplete: boolean;
}

/** What a candidate takes; undefined where it is no good. */
async function tryOut(
  subject: Subject,
  variant: Variant,
  settings: readonly Settled[],
  leader: Leader,
  context: SearchContext,
): Promise<Tried | "out of time" | undefined> {
  const seconds: number[] = [];
  let runs = 0;
  const most = LOSER * sumOf(settings, leader.seconds);
  for (const [s, setting] of settings.entries()) {
    const known = recordOf(subject, variant, setting, context);
    if (known === undefined) runs++;
    const own =
      known === undefined
        ? await measure(subject, variant, setting, { ...leader, own: leader.seconds[s] ?? 0 }, context)
        : known.seconds;
    if (own === "out of time") return own;
    // Null says that it was no good, which is not measured again.
    if (own === null) return undefined;
    seconds.push(known === undefined ? own : own * setting.drift);
    const isLoser = sumOf(settings, seconds) > most;
    if (isLoser) return { seconds, isLoser, hasRun: runs > 0, isComplete: false };
  }
  return { seconds, isLoser: false, hasRun: runs > 0, isComplete: runs === settings.length };
}

/** Seconds of a candidate's launch, by how much longer it takes than the leader's (`own`) in turns with it. */
async function measure(
  subject: Subject,
  variant: Variant,
  setting: Settled,
  leader: Leader & { readonly own: number },
  context: SearchContext,
): Promise<number | null | "out of time"> {
  const { process } = context;
  let ratios: readonly number[] = [];
  try {
    if (!process.has(programKey(setting, leader.variant))) await loadInto(process, setting, leader.variant);
    if (!(await loadInto(process, setting, variant))) {
      await takeNote(subject, variant, setting, "wrong", null, context);
      await process.free(programKey(setting, variant));
      return null;
    }
    const [others = [], own = []] = await runInTurns(
      process,
      setting,
      [leader.variant, variant],
      ([others = [], own = []]) => own.length < FIRST_RUNS && median(ratiosOf(own, others)) < FAR_BEHIND,
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
  const seconds = leader.own * median(ratios);
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
