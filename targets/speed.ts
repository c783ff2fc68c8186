/**
 * What a compute unit (a multiprocessor, a core of a GPU, a thread of a processor) has rates of its own for. `Counts` in
 * `templates/choice/cost.ts` says how much of each a kernel takes.
 *
 * - `issue`: instructions of whatever kind: of a warp or subgroup; where the unit is a processor's thread, of the thread.
 * - `tensorInt8`, `tensorF16`: operations of matrix instructions, a multiplication and an addition being two; bf16 counts as f16.
 * - `int8`, `f16`, `f32`: operations of other instructions, packed dot products included.
 * - `special`: exponentials, roots and divisions.
 * - `loads`: instructions of a warp or subgroup that read or write the device's memory.
 * - `shared`: bytes of workgroup memory; where the unit is a processor's thread, bytes of its first-level cache.
 */
export type UnitResource =
  | "issue"
  | "tensorInt8"
  | "tensorF16"
  | "int8"
  | "f16"
  | "f32"
  | "special"
  | "loads"
  | "shared";

/** What all units of a device share, in bytes: the last cache in front of its memory, and its memory. */
export type SharedResource = "l2" | "memory";

/** How fast devices of a kind are, as far as choosing between kernels needs it: rates, and how many workgroups run at a time. */
export interface Speed {
  /** What the numbers are of, for people. */
  readonly of: string;
  readonly units: number;
  /** Threads that run one instruction together: those of a warp or a subgroup. */
  readonly lanes: number;
  /** Cycles of a unit per second. */
  readonly hertz: number;
  /** What a unit does in a cycle; a kernel whose counts name a resource that is not here has no known cost. */
  readonly perCycle: Readonly<Partial<Record<UnitResource, number>>>;
  /** Whether a unit uses its resources at the same time, rather than one after the other. */
  readonly overlaps: boolean;
  /** Bytes per second of the whole device. */
  readonly bytesPerSecond: Readonly<Record<SharedResource, number>>;
  /** Bytes of the last cache: what is read again counts as `memory` where it is more. */
  readonly l2Bytes: number;
  /** What a unit has for the workgroups that it runs at a time. */
  readonly holds: {
    readonly workgroups: number;
    readonly threads: number;
    readonly sharedBytes: number;
    /** 32-bit registers. */
    readonly registers: number;
  };
  /** Threads that a unit must run at a time to reach its rates, or latencies show. */
  readonly busyThreads: number;
  /** Cycles that a unit takes for a workgroup beside what the kernel does; none if absent. */
  readonly workgroupCycles?: number;
  /** Seconds that a launch takes beside its workgroups. */
  readonly launchSeconds: number;
  /** Other devices that the kind stands for: a choice has to be good for these too. None if absent. */
  readonly others?: readonly Speed[];
  /** The part by which another config must be cheaper than the family's first, where nobody has held the rates against a device. */
  readonly doubt?: number;
}
