import type { KernelConfig } from "../../ir/program/program.js";
import type { DeviceKind } from "../../targets/device-kind.js";
import { bufferBytes } from "../../targets/memory/buffers.js";
import { keyOf } from "../../templates/choice/configs.js";
import { hashOf, type Measurement, type Outcome, problemKey, type Records } from "../tuning/records.js";
import { type Case, type CaseProgram, caseProgram } from "./case-program.js";
import { type DeviceProcess, TookTooLong } from "./device-process.js";
import type { CaseCode } from "./messages.js";
import { median, spreadOf, uncertaintyOf } from "./statistics.js";
import type { CountedCase, Subject } from "./subjects.js";

/** A candidate's code, made; undefined where a device of the target takes no such kernel. */
export interface Variant {
  readonly config: KernelConfig;
  /** The kernel as a program has it. */
  readonly kernel: Case["kernel"];
  readonly tile: readonly [number, number, number];
  readonly code: CaseCode;
}

export interface SearchContext {
  readonly process: DeviceProcess;
  readonly device: string;
  readonly records: Records;
  /** Makes a candidate. */
  variant(subject: Subject, config: KernelConfig): Promise<Variant | undefined>;
  /** Takes note of a measurement at once. */
  note(measured: Measurement): Promise<void>;
  /** Called for each candidate that was tried or left out. */
  onCandidate(): void;
  readonly signal?: AbortSignal | undefined;
}

export interface Found {
  readonly config: KernelConfig;
  /** Seconds of the kernel's launches in a run of its program, before and after. */
  readonly before: number;
  readonly after: number;
  readonly spread: number;
  readonly tried: number;
}

/** Operands of so many bytes are in no cache when they are read again, without taking much of a device's memory. */
const FLUSHING_BYTES = 32 * 2 ** 20;
/** The same over the last cache's size, where that is known. */
const FLUSHING_TIMES = 1.5;
const MOST_SETS = 8;
/** Seconds of a run: long beside what a submission takes. */
const RUN_SECONDS = 0.01;
const MOST_LAUNCHES = 64;
/** Runs of a candidate before its time is looked at. */
const FIRST_RUNS = 3;
/** Candidates that are measured against each other in the end. */
const FINALISTS = 3;
/** Rounds of them: the fewest, and the most where time is left. */
const FINAL_ROUNDS = [5, 31] as const;
/** The share of a kernel's time that is left for them. */
const FINAL_SHARE = 0.3;
/** A candidate that takes so much longer than the best is dropped. */
const LOSER = 1.25;
/** What a change must gain to be worth it, whatever the spread is. */
const WORTHWHILE = 0.02;

/** A case as it is measured. */
export interface Setting {
  readonly counted: CountedCase;
  readonly launches: number;
  readonly sets: number;
  /** SHA-256 of what the kernel leaves that is there. */
  readonly results: string;
  /** Seconds of a launch of it. */
  readonly seconds: number;
}

/** A kernel as it is measured. */
export interface Prepared {
  readonly subject: Subject;
  readonly present: Variant;
  readonly settings: readonly Setting[];
  /** Seconds of its launches in a run of its program. */
  readonly seconds: number;
}

/** Measures the kernel that is there. */
export async function prepare(subject: Subject, context: SearchContext): Promise<Prepared> {
  const present = await context.variant(subject, subject.present);
  if (present === undefined) throw new RangeError(`no kernel ${subject.kernel.id}`);
  const settings: Setting[] = [];
  for (const counted of subject.cases) settings.push(await settle(counted, present, subject, context));
  const seconds = settings.reduce((sum, setting) => sum + setting.seconds * setting.counted.count, 0);
  return { subject, present, settings, seconds };
}

/**
 * Measures candidates for a kernel until `deadline` (of `performance.now()`), and the best of them in turns with the kernel that is
 * there. All results have to be its results to the bit.
 */
export async function search(
  { subject, present, settings, seconds: before }: Prepared,
  deadline: number,
  context: SearchContext,
): Promise<Found> {
  const begun = performance.now();
  const lastTry = deadline - FINAL_SHARE * (deadline - begun);
  const ranked: { readonly variant: Variant; readonly seconds: number }[] = [];
  let tried = 0;
  for (const config of subject.candidates) {
    context.signal?.throwIfAborted();
    if (performance.now() > lastTry) break;
    tried++;
    const variant = await context.variant(subject, config);
    const best = Math.min(before, ...ranked.map((other) => other.seconds));
    const seconds =
      variant === undefined ? undefined : await tryOut(subject, variant, settings, best, context);
    if (variant !== undefined && seconds !== undefined) ranked.push({ variant, seconds });
    context.onCandidate();
  }
  const finalists = ranked
    .filter(({ seconds }) => seconds < before * LOSER)
    .sort((a, b) => a.seconds - b.seconds)
    .slice(0, FINALISTS)
    .map(({ variant }) => variant);
  if (finalists.length === 0) return { config: subject.present, before, after: before, spread: 0, tried };
  return { ...(await compare([present, ...finalists], settings, subject, deadline, context)), tried };
}

/** Measures a case with the kernel that is there, and so how candidates are measured. */
async function settle(
  counted: CountedCase,
  present: Variant,
  subject: Subject,
  context: SearchContext,
): Promise<Setting> {
  const { setting, runs } = await measureCase(counted, present, { ...context, device: subject.device });
  await note(subject, present, setting, "right", runs, context);
  return setting;
}

/**
 * Measures a kernel at one number of rows: so many launches in a run that it takes a while, with operands that no cache holds from one
 * to the next.
 */
export async function measureCase(
  counted: CountedCase,
  variant: Variant,
  { process, device }: Pick<SearchContext, "process"> & { readonly device: Pick<DeviceKind, "speed"> },
  rounds = FIRST_RUNS,
): Promise<{ readonly setting: Setting; readonly runs: readonly number[] }> {
  const one = programOf(variant, { counted, launches: 1, sets: 1 });
  const bytes = one.program.buffers.reduce((sum, buffer) => sum + bufferBytes(buffer, {}), 0);
  await process.load("first", one, variant.code);
  const once = Math.min(...(await process.time("first", FIRST_RUNS, 1)));
  await process.free("first");
  const launches = Math.min(MOST_LAUNCHES, Math.ceil(RUN_SECONDS / once));
  const flushing = Math.max(FLUSHING_BYTES, FLUSHING_TIMES * (device.speed?.l2Bytes ?? 0));
  const sets = Math.min(launches, MOST_SETS, Math.ceil(flushing / bytes));
  const { results } = await process.load(
    "present",
    programOf(variant, { counted, launches, sets }),
    variant.code,
  );
  const runs = await process.time("present", rounds, once * launches);
  await process.free("present");
  return { setting: { counted, launches, sets, results, seconds: Math.min(...runs) / launches }, runs };
}

/** Seconds of a candidate's launches in a step; undefined where it is no good, or plainly slower than the best. */
async function tryOut(
  subject: Subject,
  variant: Variant,
  settings: readonly Setting[],
  best: number,
  context: SearchContext,
): Promise<number | undefined> {
  let sum = 0;
  for (const setting of settings) {
    const before = known(subject, variant, setting, context);
    // Null says that it was no good, which is not measured again.
    const seconds = before === undefined ? await measure(subject, variant, setting, context) : before;
    if (seconds === null) return undefined;
    sum += seconds * setting.counted.count;
    if (sum > best * LOSER) return undefined;
  }
  return sum;
}

/** What the records have: null where the candidate was no good. */
function known(
  subject: Subject,
  variant: Variant,
  { counted }: Setting,
  { records, device }: SearchContext,
): number | null | undefined {
  return records.measurement({
    device,
    kernel: problemKey(subject.kernel),
    rows: counted.rows,
    config: variant.config,
    code: hashOf(variant.code.source),
  })?.seconds;
}

async function measure(
  subject: Subject,
  variant: Variant,
  setting: Setting,
  context: SearchContext,
): Promise<number | null> {
  const { process } = context;
  let outcome: Outcome = "right";
  let runs: readonly number[] = [];
  try {
    const { results } = await process.load("candidate", programOf(variant, setting), variant.code);
    if (results !== setting.results) outcome = "wrong";
    else runs = await process.time("candidate", FIRST_RUNS, setting.seconds * setting.launches);
    await process.free("candidate");
  } catch (error) {
    context.signal?.throwIfAborted();
    outcome = error instanceof TookTooLong ? "hung" : "failed";
    await process.free("candidate").catch(() => process.close());
  }
  await note(subject, variant, setting, outcome, runs, context);
  return runs.length === 0 ? null : Math.min(...runs) / setting.launches;
}

/** Measures variants in turns, so that whatever else the machine does meets them all; the first is what is there. */
async function compare(
  variants: readonly Variant[],
  settings: readonly Setting[],
  subject: Subject,
  deadline: number,
  context: SearchContext,
): Promise<Omit<Found, "tried">> {
  const { process } = context;
  const keys = variants.map(({ config }) => keyOf(config));
  const totals = variants.map(() => 0);
  const spreads = variants.map(() => 0);
  for (const [s, setting] of settings.entries()) {
    const wrong = new Set<string>();
    for (const [i, variant] of variants.entries()) {
      const key = keys[i] ?? "";
      const { results } = await process.load(key, programOf(variant, setting), variant.code);
      // Records may come from elsewhere.
      if (results !== setting.results) wrong.add(key);
    }
    const times = variants.map((): number[] => []);
    const [fewest, most] = FINAL_ROUNDS;
    // Each number of rows has its part of the time that is left.
    const until = performance.now() + (deadline - performance.now()) / (settings.length - s);
    for (let round = 0; round < fewest || (round < most && performance.now() < until); round++) {
      context.signal?.throwIfAborted();
      for (const [i, key] of keys.entries()) {
        const [run = 0] = await process.time(key, 1, setting.seconds * setting.launches);
        times[i]?.push(wrong.has(key) ? Number.POSITIVE_INFINITY : run);
      }
    }
    for (const [i, variant] of variants.entries()) {
      const own = times[i] ?? [];
      const isWrong = wrong.has(keys[i] ?? "");
      await process.free(keys[i] ?? "");
      await note(subject, variant, setting, isWrong ? "wrong" : "right", isWrong ? [] : own, context);
      totals[i] = (totals[i] ?? 0) + (median(own) / setting.launches) * setting.counted.count;
      spreads[i] = Math.max(spreads[i] ?? 0, isWrong ? 0 : uncertaintyOf(own));
    }
  }
  const [before = 0] = totals;
  const winner = totals.indexOf(Math.min(...totals));
  const after = totals[winner] ?? before;
  const spread = Math.hypot(spreads[0] ?? 0, spreads[winner] ?? 0);
  const gains = after < before * (1 - Math.max(WORTHWHILE, spread));
  return gains
    ? { config: variants[winner]?.config ?? subject.present, before, after, spread }
    : { config: subject.present, before, after: before, spread };
}

function programOf(
  { kernel, tile }: Variant,
  { counted, launches, sets }: Pick<Setting, "counted" | "launches" | "sets">,
): CaseProgram {
  const { launch } = counted.case;
  const grid = launch.grid.map(({ size }, axis) => ({ size, tile: tile[axis] ?? 1 }));
  return caseProgram(
    { ...counted.case, kernel, launch: { ...launch, kernel: kernel.id, grid } },
    { launches, sets },
  );
}

async function note(
  subject: Subject,
  { config, code }: Variant,
  { counted, launches }: Setting,
  outcome: Outcome,
  runs: readonly number[],
  { device, records, ...context }: SearchContext,
): Promise<void> {
  const measured: Measurement = {
    kind: "measured",
    device,
    deviceKind: subject.device.name,
    kernel: problemKey(subject.kernel),
    rows: counted.rows,
    config,
    code: hashOf(code.source),
    outcome,
    seconds: runs.length === 0 ? null : median(runs) / launches,
    spread: runs.length === 0 ? null : spreadOf(runs),
  };
  records.add(measured);
  await context.note(measured);
}
