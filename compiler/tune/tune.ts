import { appendFile } from "node:fs/promises";
import { resolve } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { openBundle } from "../../runtime/node/bundle.js";
import type { OpenDeviceOptions } from "../../runtime/node/open-device.js";
import { type DeviceKind, deviceKinds, deviceKindWith } from "../../targets/device-kind.js";
import { type Target, targetByName } from "../../targets/index.js";
import { keyOf } from "../../templates/choice/configs.js";
import { type Occupant, whatIsThere } from "../bundle/occupant.js";
import { refuseNested, writeFolder } from "../bundle/staging.js";
import { bundleRecords } from "../tuning/bundle-records.js";
import { deviceKey } from "../tuning/device-key.js";
import { printRecords, Records, TUNING_FILE, type TuningRecord } from "../tuning/records.js";
import { rewriteBundle } from "./apply.js";
import { DeviceProcess } from "./device-process.js";
import { unfinished } from "./journal.js";
import { type BundleProgram, programsOf } from "./programs.js";
import type { TunedKernel } from "./results.js";
import type { SearchContext } from "./search-context.js";
import { type Subject, subjectsOf } from "./subjects.js";
import { type Tuned, tuneAll, type Unmeasured } from "./tune-all.js";
import { makeVariant, namedChain, withConfig } from "./variants.js";

export interface TuneOptions extends OpenDeviceOptions {
  readonly bundle: string;
  /** Seconds for the whole of it. */
  readonly budget: number;
  /** Of the bundle's transformer and networks, those with these names; all that a picture from text takes if absent. */
  readonly networks?: readonly string[] | undefined;
  /** Kernels whose id contains one of these; all if absent. */
  readonly kernels?: readonly string[] | undefined;
  /** Only launches of so many rows; all if absent. */
  readonly rows?: readonly number[] | undefined;
  /** Records from elsewhere. */
  readonly known?: readonly TuningRecord[];
  /** Whether to measure again what the records have. */
  readonly again?: boolean;
  /** Folder that keeps compiled CUDA kernels; none are kept if absent. */
  readonly kernelCache?: string | undefined;
  readonly onNotice?: (text: string) => void;
  readonly onProgress?: (progress: TuneProgress) => void;
  readonly signal?: AbortSignal | undefined;
  /** The module that measures, and how candidates are made; those of this package if absent. */
  readonly child?: URL;
  readonly variant?: SearchContext["variant"];
}

/** baseline: kernels as they are. candidates: of all kernels. */
export interface TuneProgress {
  readonly phase: "baseline" | "candidates";
  readonly done: number;
  readonly total: number;
}

export interface TuneReport {
  readonly bundle: string;
  readonly device: string;
  /** In the order in which they were looked at. */
  readonly kernels: readonly TunedKernel[];
  /** Kernels that were not even measured as they are. */
  readonly unmeasured: readonly Unmeasured[];
  /** Kernels with another config than before. */
  readonly changed: number;
  /** Of the transformer and each network of the pipeline. */
  readonly networks: readonly TunedNetwork[];
  /** Seconds of all launches of the kernels while a picture is drawn, by the same measurements. */
  readonly before: number;
  readonly after: number;
  readonly seconds: number;
  /** All that is known of the device's kernels now, and of others'. */
  readonly records: readonly TuningRecord[];
}

/** What became of a program of a bundle. */
export interface TunedNetwork extends Pick<BundleProgram, "name" | "runs"> {
  /** Kernels with another config than before. */
  readonly changed: number;
  /** Seconds of the kernels' launches in a run of it. */
  readonly before: number;
  readonly after: number;
}

/** The share of the time in which the bundle is written. */
const WRITING_SHARE = 0.03;

/**
 * Measures on the device what other configs of a bundle's kernels take, and leaves the bundle with the best of them and with the
 * records of all. Killed in the middle, it goes on from its journal. Throws TRITC_E_TUNING, TRITC_E_OUT_BUSY, and the errors of `openBundle`
 * and of the device.
 */
export async function tuneBundle(options: TuneOptions): Promise<TuneReport> {
  const { bundle: folder, signal, onNotice } = options;
  const keep = [TUNING_FILE];
  await refuseInner(folder);
  return writeFolder(
    folder,
    {
      ...{ keep, signal, look: bundleAt, anew: "remove that folder to start anew" },
      ...(onNotice === undefined ? {} : { onNotice }),
    },
    async (work) => {
      const begun = performance.now();
      const bundle = await openBundle(folder);
      const { manifest } = bundle;
      const target = targetByName(bundle.program.target);
      const programs = await programsOf(bundle, options.networks);
      const records = new Records(options.known);
      const say = (text: string) => onNotice?.(text);
      const note = async (entry: TuningRecord) => {
        await appendFile(work.journal, printRecords([entry]));
        work.isWorthKeeping = true;
      };
      const process = new DeviceProcess({ ...options, target: target.name });
      try {
        const { description, kind, features } = await process.opened();
        const device = deviceKey(target, description);
        for (const entry of await bundleRecords(bundle, (fault) => say(strange(fault))))
          if (options.again !== true || entry.device !== device) records.add(entry);
        const own = kindOf(target, kind, features);
        const all = programs.flatMap((program) => subjectsOf(program, target, own));
        const subjects = chosenSubjects(all, options);
        // Until here nothing is touched that an unfinished run has left.
        const found = await unfinished(work, say);
        // What it has found is newer.
        for (const entry of found) records.add(entry);
        work.isWorthKeeping = found.length > 0;
        await work.begin(keep);
        const context = contextOf(options, { process, device, records, target, note });
        const { tuned, unmeasured } = await tuneAll(subjects, context, {
          budget: options.budget,
          end: begun + 1000 * (1 - WRITING_SHARE) * options.budget,
          again: options.again === true,
          onNotice: say,
          onProgress: (phase, done, total) => options.onProgress?.({ phase, done, total }),
        });
        for (const { finding } of tuned) if (finding !== undefined) await note(finding);
        const changes = programs.map((program) => ({ program, chains: chainsOf(tuned, program, target) }));
        const cache = options.kernelCache;
        process.close();
        await rewriteBundle(work, { folder, manifest, changes, records, target, cache, signal });
        const kernels = tuned.map(({ result }) => result);
        const networks = programs.map((program) => summaryOf(program, kernels));
        return {
          bundle: folder,
          device,
          kernels,
          unmeasured,
          networks,
          changed: networks.reduce((sum, { changed }) => sum + changed, 0),
          before: networks.reduce((sum, { before, runs }) => sum + before * runs, 0),
          after: networks.reduce((sum, { after, runs }) => sum + after * runs, 0),
          seconds: (performance.now() - begun) / 1000,
          records: records.all,
        };
      } finally {
        process.close();
      }
    },
  );
}

/** Says of what is no bundle that it is none, and not that a new one may not take its place. */
async function bundleAt(folder: string): Promise<Occupant> {
  try {
    return await whatIsThere(folder);
  } catch (error) {
    await openBundle(folder);
    if (!(error instanceof TritcError && error.code === "TRITC_E_OUT_EXISTS")) throw error;
    throw new TritcError({
      ...error.details,
      message: "the bundle is written anew, and would take with it what is not part of it",
      expected: "a bundle alone",
      remedy: "move that out of the bundle's folder",
    });
  }
}

/** Refuses what lies in a bundle, such as a network of its pipeline. */
async function refuseInner(folder: string): Promise<void> {
  try {
    await refuseNested(resolve(folder));
  } catch (error) {
    if (!(error instanceof TritcError && error.code === "TRITC_E_OUT")) throw error;
    throw new TritcError({
      ...error.details,
      code: "TRITC_E_TUNING",
      message: "this lies in a bundle, and bundles are tuned as a whole",
      place: folder,
      expected: "the folder of a bundle",
      remedy: "give the bundle itself; --network takes one network of its pipeline",
    });
  }
}

/** The kernels of a program that are to have another config. */
function chainsOf(tuned: readonly Tuned[], { path }: BundleProgram, target: Target) {
  return tuned
    .filter(({ subject, result }) => subject.of.path === path && isChanged(result))
    .map(({ subject, result }) => namedChain(subject.kernel.id, withConfig(subject, result.config, target)));
}

/** What is said of records that another version has made. */
function strange({ details: { message, place = TUNING_FILE, expected, found } }: TritcError): string {
  const what = expected === undefined ? message : `expected ${expected}, found ${found}`;
  return `${place}: ${what}; the bundle's records are of another version and are left out`;
}

function isChanged({ config, from }: TunedKernel): boolean {
  return keyOf(config) !== keyOf(from);
}

function summaryOf({ name, runs }: BundleProgram, kernels: readonly TunedKernel[]): TunedNetwork {
  const own = kernels.filter(({ network }) => network === name);
  return {
    ...{ name, runs, changed: own.filter(isChanged).length },
    before: own.reduce((sum, { before }) => sum + before, 0),
    after: own.reduce((sum, { after }) => sum + after, 0),
  };
}

function kindOf(target: Target, index: number, features: readonly string[]): DeviceKind {
  const kind = deviceKindWith(target, index, features);
  if (kind !== undefined) return kind;
  throw new TritcError({
    code: "TRITC_E_TUNING",
    message: "no kernel of the bundle's target runs on this device",
    place: target.name,
    expected: deviceKinds(target)
      .map(({ name }) => name)
      .join(" or "),
    remedy: "compile for this machine: `tritc doctor` says what it has",
  });
}

function chosenSubjects(
  subjects: readonly Subject[],
  { kernels, rows }: Pick<TuneOptions, "kernels" | "rows">,
): readonly Subject[] {
  const named = subjects.filter(
    ({ kernel }) => kernels === undefined || kernels.some((part) => kernel.id.includes(part)),
  );
  const chosen = named.flatMap((subject): readonly Subject[] => {
    const cases = subject.cases.filter((counted) => rows === undefined || rows.includes(counted.rows));
    return cases.length === 0 ? [] : [{ ...subject, cases }];
  });
  if (chosen.length > 0 || subjects.length === 0) return chosen;
  const given = [
    ...(kernels === undefined ? [] : [`--kernels ${kernels.join(",")}`]),
    ...(rows === undefined ? [] : [`--rows ${rows.join(",")}`]),
  ];
  throw new TritcError({
    code: "TRITC_E_TUNING",
    message: "no kernel is meant by that",
    place: given.join(" "),
    expected: (named.length === 0 ? subjects : named)
      .map(
        ({ of, kernel, cases }) => `${of.name}: ${kernel.id} (rows ${cases.map((c) => c.rows).join(", ")})`,
      )
      .join("; "),
    remedy: "name a part of one of these ids, or leave the option out",
    exitCode: 2,
  });
}

interface Made extends Pick<SearchContext, "process" | "device" | "records" | "note"> {
  readonly target: Target;
}

type Context = Omit<SearchContext, "onCandidate">;

function contextOf(options: TuneOptions, { target, ...made }: Made): Context {
  const variants = new Map<string, ReturnType<SearchContext["variant"]>>();
  const variant =
    options.variant ?? ((subject, config) => makeVariant(subject, config, target, options.kernelCache));
  return {
    ...made,
    signal: options.signal,
    variant(subject, config) {
      const key = `${subject.of.path}${subject.kernel.id} ${keyOf(config)}`;
      const known = variants.get(key) ?? variant(subject, config);
      variants.set(key, known);
      return known;
    },
  };
}
