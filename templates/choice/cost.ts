/**
 * The cost model: a family counts what a launch takes (`Counts`), a device kind says how much of it goes in a second (`Speed`),
 * and `timeOf` makes seconds of the two, the same way for every family and device.
 *
 * To give a family costs, add `cost` to what its `wat.ts`, `wgsl.ts` or `cuda.ts` gives `kernelTemplates`: a function of
 * parameters, config and launch for each variant that returns its counts. It need not know every number of a config: tile, threads
 * and bytes come from the form's `launch()`, and a number that it does not read changes no cost. To give devices a speed, see
 * `targets/speed.ts` and `speed` of `DeviceKind`. A variant without `cost`, or a kind without `speed`, has no known costs, and
 * the family's order decides.
 */
import type { LaunchShape } from "../../ir/families/launch/form.js";
import type { DeviceKind } from "../../targets/device-kind.js";
import type { SharedResource, Speed, UnitResource } from "../../targets/speed.js";

/** What a cost function is told of a launch besides parameters and config. */
export interface Launched {
  /** Rows of the launch; where a grid has other axes that are not known (pictures of a batch, keys), assume what is usual. */
  readonly rows: number;
  /** Its scalars; absent where they are not known. */
  readonly scalars?: readonly number[] | undefined;
  /** Threads, tile and bytes by parameters and config. */
  readonly launch: LaunchShape;
  readonly device: DeviceKind;
  /** That of `device`. */
  readonly speed: Speed;
}

/** What one launch takes. */
export interface Counts {
  /** Workgroups (CUDA: blocks; WebAssembly: tiles); persistent ones count by the tiles that they work on. */
  readonly workgroups: number;
  /** What a workgroup takes of its unit; of unequal ones, the mean of those that the busiest unit gets. */
  readonly each: Readonly<Partial<Record<UnitResource, number>>>;
  /** Bytes that the launch moves in all: once from or to memory, and as often as workgroups ask the last cache for them. */
  readonly bytes: Readonly<Record<SharedResource, number>>;
  /** Registers of a thread, where they may bound how many workgroups run at a time. */
  readonly registers?: number;
  /** The most workgroups that a unit runs at a time for reasons that the model does not know. */
  readonly resident?: number;
  /** Cycles of a workgroup that overlap with nothing: its beginning, and an end that others do not hide. */
  readonly serial?: number;
  /** Seconds that the device compiles the kernel for, as far as they differ between configs. */
  readonly making?: number;
}

/** Launches of a kernel for a picture, which share what making it took: steps times layers, some hundred. */
const LAUNCHES = 100;

/** What decides how long a launch takes. */
export type Bound = UnitResource | SharedResource | "serial" | "launch";

/** How long a launch takes by the model. */
export interface LaunchTime {
  readonly rows: number;
  readonly seconds: number;
  /** What takes the most of these seconds. */
  readonly bound: Bound;
  /** Workgroups over those that the device runs at a time. */
  readonly waves: number;
  /** The part of the units that is busy on average, from 0 to 1: what is missing is the last wave's. */
  readonly filled: number;
}

/** Workgroups of a launch that a unit runs at a time, at least one. */
export function residentOf({ registers = 0, resident }: Counts, launch: LaunchShape, speed: Speed): number {
  const [x, y, z] = launch.workgroup;
  const threads = x * y * z;
  const { holds } = speed;
  const most = Math.min(
    resident ?? Number.POSITIVE_INFINITY,
    holds.workgroups,
    Math.floor(holds.threads / threads),
    launch.sharedBytes === 0 ? Number.POSITIVE_INFINITY : Math.floor(holds.sharedBytes / launch.sharedBytes),
    registers === 0 ? Number.POSITIVE_INFINITY : Math.floor(holds.registers / (threads * registers)),
  );
  return Math.max(1, most);
}

/**
 * Seconds of a launch: the longest that any resource takes, or what those of a unit take one after the other, and what overlaps with nothing. A
 * unit's resources are those of the unit with the most workgroups, so that a last wave that few units work on shows; they are slower
 * where too few threads are there to hide latencies. Undefined where a rate is not known.
 */
export function timeOf(counts: Counts, { rows, launch, speed }: Launched): LaunchTime | undefined {
  const { workgroups, each, bytes, serial = 0, making = 0 } = counts;
  const { units, hertz, perCycle, bytesPerSecond, workgroupCycles = 0 } = speed;
  const [x, y, z] = launch.workgroup;
  const resident = residentOf(counts, launch, speed);
  const waves = workgroups / (units * resident);
  // Workgroups of the busiest unit, and how many of them run at a time.
  const most = Math.ceil(workgroups / units);
  const threads = Math.min(resident, most) * x * y * z;
  const pace = hertz * Math.min(1, threads / speed.busyThreads);
  // Thousands of configs are compared so: nothing here is worth a list.
  let bound: Bound = "launch";
  let longest = Number.NEGATIVE_INFINITY;
  const consider = (part: Bound, seconds: number) => {
    if (seconds > longest) [bound, longest] = [part, seconds];
  };
  let inUnits = 0;
  for (const resource in each) {
    const amount = each[resource as UnitResource] ?? 0;
    const rate = perCycle[resource as UnitResource];
    if (rate === undefined) {
      if (amount > 0) return undefined;
      continue;
    }
    const seconds = (most * amount) / (rate * pace);
    consider(resource as UnitResource, seconds);
    inUnits = speed.overlaps ? Math.max(inUnits, seconds) : inUnits + seconds;
  }
  const l2 = bytes.l2 / bytesPerSecond.l2;
  const memory = bytes.memory / bytesPerSecond.memory;
  const busy = Math.max(inUnits, l2, memory);
  const alone = (Math.ceil(waves) * (serial + workgroupCycles)) / hertz;
  const launching = speed.launchSeconds + making / LAUNCHES;
  consider("l2", l2);
  consider("memory", memory);
  consider("serial", alone);
  consider("launch", launching);
  return {
    rows,
    seconds: busy + alone + speed.launchSeconds + making / LAUNCHES,
    bound,
    waves,
    filled: workgroups === 0 ? 1 : workgroups / (most * units),
  };
}
