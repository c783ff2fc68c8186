import { launchWork } from "../../ir/program/work.js";
import { type Finding, hashOf, problemKey } from "../tuning/records.js";
import { formatDuration, formatQuantity } from "../units.js";
import { type Claim, enoughFor, partOf } from "./budget.js";
import { Failed, OutOfTime, TookTooLong } from "./device-process.js";
import { knownOf, resultOf, sinceCompiled, type TunedKernel } from "./results.js";
import { type Found, leastSearch, prepare, search } from "./search.js";
import type { Prepared, SearchContext } from "./search-context.js";
import type { Subject } from "./subjects.js";

export interface TuneAllOptions {
  /** Seconds of the whole, which findings are recorded with. */
  readonly budget: number;
  /** When all has to be done, of `performance.now()`. */
  readonly end: number;
  /** Whether to measure again what the records have. */
  readonly again: boolean;
  readonly onNotice: (text: string) => void;
  readonly onProgress: (phase: "baseline" | "candidates", done: number, total: number) => void;
}

export interface Tuned {
  readonly subject: Subject;
  readonly result: TunedKernel;
  /** What is new. */
  readonly finding?: Finding;
}

/** A kernel that was not even measured as it is. */
export interface Unmeasured {
  readonly network: Subject["of"]["name"];
  readonly kernel: string;
  readonly why: string;
}

type Context = Omit<SearchContext, "onCandidate">;

/** The share of the time that measuring kernels as they are may take. */
const BASELINE_SHARE = 0.5;
/** Why a kernel was not measured that could have been. */
const NO_TIME = "the budget has no time for it";
/** Operations and bytes per second, as far as telling large kernels from small ones needs them. */
const RATES = { operations: 1e11, bytes: 1e10 } as const;

/** Each kernel in turn, those that take longest first, each with the share of the time that it has of a picture's. */
export async function tuneAll(
  subjects: readonly Subject[],
  context: Context,
  options: TuneAllOptions,
): Promise<{ readonly tuned: readonly Tuned[]; readonly unmeasured: readonly Unmeasured[] }> {
  const tuned: Tuned[] = [];
  const open: Subject[] = [];
  for (const subject of subjects) {
    const known = await knownOf(subject, context, options);
    if (known === undefined) open.push(subject);
    else tuned.push({ subject, result: known });
  }
  const begun = performance.now();
  const { prepared, unmeasured } = await prepareAll(open, context, options);
  const baseline = (performance.now() - begun) / 1000;
  const claims: readonly Claim[] = prepared.map((one) => ({
    share: one.seconds * one.subject.of.runs,
    least: leastSearch(one),
  }));
  const total = prepared.reduce((sum, { subject }) => sum + subject.candidates.length, 0);
  const skipped = unmeasured.filter(({ why }) => why === NO_TIME).map(({ kernel }) => kernel);
  let [done, passed] = [0, 0];
  for (const [i, one] of prepared.entries()) {
    const now = performance.now();
    const part = partOf(claims.slice(i), (options.end - now) / 1000);
    const onCandidate = () => options.onProgress("candidates", ++done, total);
    const found =
      part === undefined
        ? undefined
        : await searchOne(one, now + 1000 * part, { ...context, onCandidate }, options);
    if (found === undefined) skipped.push(one.subject.kernel.id);
    // Those that there was no time for are done with, too.
    passed += one.subject.candidates.length;
    if (done < passed) {
      done = passed;
      options.onProgress("candidates", done, total);
    }
    tuned.push(await tunedBy(found ?? unchanged(one), one.subject, context, options));
  }
  if (skipped.length > 0) {
    // What is not known of those that were not even measured is taken to be as it is of the others.
    const all = open.length / Math.max(1, prepared.length);
    const opening = options.budget - (options.end - begun) / 1000;
    const enough = opening + all * Math.max(baseline / BASELINE_SHARE, baseline + enoughFor(claims));
    options.onNotice(
      `not tried, as the budget of ${formatDuration(options.budget)} has no time for them: ${skipped.join(", ")}; ` +
        `\`--budget ${Math.ceil(enough)}s\` is about the least for all ${formatQuantity(open.length, "kernel")}`,
    );
  }
  return { tuned, unmeasured };
}

/**
 * Measures kernels as they are, those that have most to do first. Returns them sorted, those that take longest first, and which there was
 * no time for.
 */
async function prepareAll(
  subjects: readonly Subject[],
  context: Context,
  { end, onNotice, onProgress }: TuneAllOptions,
): Promise<{ readonly prepared: readonly Prepared[]; readonly unmeasured: readonly Unmeasured[] }> {
  const work = new Map(subjects.map((subject) => [subject, expectedSeconds(subject)]));
  const sorted = [...subjects].sort((a, b) => (work.get(b) ?? 0) - (work.get(a) ?? 0));
  const until = performance.now() + BASELINE_SHARE * (end - performance.now());
  const prepared: Prepared[] = [];
  const unmeasured: Unmeasured[] = [];
  for (const [i, subject] of sorted.entries()) {
    context.signal?.throwIfAborted();
    const now = performance.now();
    const left = sorted.slice(i);
    const share = (work.get(subject) ?? 0) / left.reduce((sum, one) => sum + (work.get(one) ?? 0), 1e-9);
    // Whatever the kernel takes, something is left for the others.
    context.process.until = now + (until - now) * Math.min(1, Math.max(2 * share, 0.5));
    try {
      if (now >= until) throw new OutOfTime(0);
      prepared.push(await prepare(subject, context));
    } catch (error) {
      if (!isOfKernel(error)) throw error;
      context.process.close();
      const why = error instanceof OutOfTime ? NO_TIME : error.message;
      if (!(error instanceof OutOfTime)) onNotice(`${subject.kernel.id} stays as it is: ${why}`);
      unmeasured.push({ network: subject.of.name, kernel: subject.kernel.id, why });
    }
    onProgress("baseline", i + 1, sorted.length);
  }
  context.process.until = end;
  prepared.sort((a, b) => b.seconds * b.subject.of.runs - a.seconds * a.subject.of.runs);
  return { prepared, unmeasured };
}

/** Seconds of a picture that a kernel takes on some device. */
function expectedSeconds({ cases, of }: Subject): number {
  return cases.reduce((sum, { count, case: { program, launch, bindings } }) => {
    const [work] = launchWork(program, [launch], bindings);
    if (work === undefined) return sum;
    const { int8, bf16, f32 } = work.operations;
    const seconds =
      (int8 + bf16 + f32) / RATES.operations + (work.readBytes + work.writtenBytes) / RATES.bytes;
    return sum + seconds * count * of.runs;
  }, 0);
}

/** What a search for a kernel comes to; undefined where there was no time for a result. */
async function searchOne(
  prepared: Prepared,
  deadline: number,
  context: SearchContext,
  { onNotice, end }: TuneAllOptions,
): Promise<Found | undefined> {
  const { process } = context;
  try {
    return await search(prepared, { deadline, end }, context);
  } catch (error) {
    if (!isOfKernel(error)) throw error;
    process.close();
    if (error instanceof OutOfTime) return undefined;
    onNotice(`${prepared.subject.kernel.id} stays as it is: ${error.message}`);
    return unchanged(prepared);
  } finally {
    process.until = end;
    await process.freeAll().catch(() => process.close());
  }
}

/** Whether an error is one of a kernel, and others may be measured nevertheless. */
function isOfKernel(error: unknown): error is Error {
  return error instanceof OutOfTime || error instanceof TookTooLong || error instanceof Failed;
}

/** A kernel stays as it is, and no candidate was tried. */
function unchanged({ subject, seconds }: Prepared): Found {
  return { config: subject.present, before: seconds, after: seconds, spread: 0, tried: 0 };
}

/** Adds to the records what a search came to. */
async function tunedBy(
  found: Found,
  subject: Subject,
  { device, records, variant }: Context,
  { budget }: TuneAllOptions,
): Promise<Tuned> {
  const chosen = await variant(subject, found.config);
  const { kernel, cases, candidates } = subject;
  const rows = cases.map((counted) => counted.rows);
  const key = { device, kernel: problemKey(kernel), rows };
  const own: Finding = {
    kind: "chosen",
    ...key,
    deviceKind: subject.device.name,
    code: hashOf(chosen?.code.source ?? ""),
    ...found,
    candidates: candidates.length,
    budget,
  };
  const finding = sinceCompiled(own, subject, records.finding(key));
  records.add(finding);
  return { subject, result: { ...resultOf(subject, finding, records, device), isKnown: false }, finding };
}
