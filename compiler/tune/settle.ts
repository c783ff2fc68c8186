import type { DeviceKind } from "../../targets/device-kind.js";
import { type CaseProgram, caseProgram, weightBytes } from "./case-program.js";
import type { DeviceProcess } from "./device-process.js";
import { median } from "./statistics.js";
import type { CountedCase } from "./subjects.js";
import type { Variant } from "./variants.js";

/** A case as it is measured. */
export interface Setting {
  readonly counted: CountedCase;
  readonly launches: number;
  readonly sets: number;
  /** SHA-256 of what the kernel leaves that is there. */
  readonly results: string;
  /** Seconds of a launch of it. */
  readonly seconds: number;
  /** Seconds that loading it took for the first time, with what the driver makes of its code, and again. */
  readonly loading: number;
  readonly reloading: number;
}

/** Seconds of a run: long beside what a submission takes. */
const RUN_SECONDS = 0.01;
const MOST_LAUNCHES = 64;
/** More bytes of weights than the last caches of most devices have (32 MiB, of which groups of cores or a GPU have one each). */
const FLUSHING_BYTES = 64 * 2 ** 20;
/** The same over the last cache's size, where that is known. */
const FLUSHING_TIMES = 1.5;
/** How much longer a run may be, so that its weights are read from memory. */
const FLUSHING_SECONDS = 0.05;
/** Runs until a first look at a time, and seconds after which fewer are enough. */
export const FIRST_RUNS = 3;
const FIRST_SECONDS = 0.3;

/** What a program of launches is made by. */
export interface Extent {
  /** Seconds of a launch. */
  readonly once: number;
  /** Bytes of the large weights that a launch reads. */
  readonly weights: number;
  /** Bytes that are read or written between two launches of a real run on the same weights. */
  readonly between: number;
  /** Of the last cache; 0 where it is not known. */
  readonly cache: number;
}

/**
 * How many launches a run has, and how many sets of weights they take in turns. As many as are in no cache when a set comes again, but
 * no more than a real run reads in between: what fits into a cache there may be in it here. Where that would take long, a launch
 * reads so little for its time that it does not matter where from.
 */
export function extentOf({ once, weights, between, cache }: Extent): {
  readonly launches: number;
  readonly sets: number;
} {
  const flushing = Math.min(between, Math.max(FLUSHING_BYTES, FLUSHING_TIMES * cache));
  const wanted = weights === 0 ? 1 : Math.max(1, Math.ceil(flushing / weights));
  const long = Math.ceil(RUN_SECONDS / once);
  const launches = Math.min(MOST_LAUNCHES, once * wanted <= FLUSHING_SECONDS ? Math.max(long, wanted) : long);
  return { launches, sets: Math.min(launches, wanted) };
}

/**
 * Measures a kernel at one number of rows: so many launches in a run that it takes a while, with weights that come from no cache that a
 * real run would not have them in. Its program stays loaded under `key`. With `isThorough` all `rounds` are run, however long they take.
 */
export async function measureCase(
  key: string,
  counted: CountedCase,
  variant: Variant,
  { process, device }: { readonly process: DeviceProcess; readonly device: Pick<DeviceKind, "speed"> },
  { rounds = FIRST_RUNS, isThorough = false } = {},
): Promise<{ readonly setting: Setting; readonly runs: readonly number[] }> {
  const load = (extent: { readonly launches: number; readonly sets: number }) =>
    process.load(key, programOf(variant, { counted, ...extent }), variant.code);
  const run = async (times: number, seconds: number) => {
    const runs: number[] = [];
    let sum = 0;
    for (let i = 0; i < times && (isThorough || sum < FIRST_SECONDS); i++) {
      const [one = 0] = await process.time(key, 1, seconds);
      runs.push(one);
      sum += one;
    }
    return runs;
  };
  const first = await load({ launches: 1, sets: 1 });
  // That loads a program, too, so what it took says little.
  const firstRuns = await run(isThorough ? 1 : FIRST_RUNS, first.seconds);
  const once = Math.min(...firstRuns);
  const extent = extentOf({
    once,
    weights: weightBytes(counted.case),
    between: counted.between,
    cache: device.speed?.l2Bytes ?? 0,
  });
  let [{ results, seconds: reloading }, runs] = [first, firstRuns];
  if (extent.launches > 1) {
    await process.free(key);
    ({ results, seconds: reloading } = await load(extent));
    runs = await run(rounds, once * extent.launches);
  } else if (isThorough) runs = await run(rounds, once);
  const seconds = median(runs) / extent.launches;
  const loading = Math.max(first.seconds, reloading);
  return { setting: { counted, ...extent, results, seconds, loading, reloading }, runs };
}

/** The launches of a variant in a setting. */
export function programOf(
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
