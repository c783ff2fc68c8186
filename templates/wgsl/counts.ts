/** Counts of WGSL kernels for the cost model: what an invocation does becomes what its workgroup takes. */
import type { SharedResource, UnitResource } from "../../targets/speed.js";
import type { Counts, Launched } from "../choice/cost.js";

/** What an invocation does in all. */
export interface Invocation {
  /** Instructions that are none of the others. */
  readonly other?: number;
  /** Words that it reads or writes in the device's memory. */
  readonly loads?: number;
  /** Vectors of four words that it reads, an instruction each. */
  readonly vectors?: number;
  /** Accesses to workgroup memory, a vector of four words each, by the different vectors that a subgroup's invocations access. */
  readonly shared?: readonly (readonly [accesses: number, distinct: number])[];
  /** Multiplications with an addition in f32. */
  readonly fused?: number;
  /** Pairs of multiplications with an addition in f16, an instruction each. */
  readonly pairs?: number;
  /** Packed dot products of four bytes, with an addition. */
  readonly dots?: number;
  readonly special?: number;
}

/** Instructions' worth of waiting at a barrier, where other workgroups are there to go on meanwhile. */
export const BARRIER = 20;

const VECTOR_BYTES = 16;
/** Bytes that workgroup memory gives a subgroup at once. */
const LINE_BYTES = 128;

export interface WorkgroupLaunch {
  readonly workgroups: number;
  /** Registers of an invocation. */
  readonly registers: number;
  readonly bytes: Readonly<Record<SharedResource, number>>;
}

export function wgslCounts(
  { other = 0, loads = 0, vectors = 0, shared = [], fused = 0, pairs = 0, dots = 0, special = 0 }: Invocation,
  { workgroups, registers, bytes }: WorkgroupLaunch,
  { launch, speed }: Launched,
): Counts {
  const [x, y, z] = launch.workgroup;
  const threads = x * y * z;
  const subgroups = Math.ceil(threads / speed.lanes);
  const accesses = shared.reduce((sum, [count]) => sum + count, 0);
  const each: Readonly<Partial<Record<UnitResource, number>>> = {
    issue: subgroups * (other + loads + vectors + accesses + fused + pairs + dots + special),
    loads: subgroups * (loads + 4 * vectors),
    f32: 2 * threads * fused,
    f16: 4 * threads * pairs,
    int8: 8 * threads * dots,
    special: threads * special,
    shared:
      subgroups *
      shared.reduce(
        (sum, [count, distinct]) => sum + count * Math.max(LINE_BYTES, VECTOR_BYTES * distinct),
        0,
      ),
  };
  return { workgroups, each, bytes, registers };
}

/** The sum of what an invocation does in several parts, so many times each. */
export function total(parts: readonly (readonly [count: number, part: Invocation])[]): Invocation {
  const sum = (of: (part: Invocation) => number | undefined) =>
    parts.reduce((all, [count, part]) => all + count * (of(part) ?? 0), 0);
  return {
    other: sum(({ other }) => other),
    loads: sum(({ loads }) => loads),
    vectors: sum(({ vectors }) => vectors),
    fused: sum(({ fused }) => fused),
    pairs: sum(({ pairs }) => pairs),
    dots: sum(({ dots }) => dots),
    special: sum(({ special }) => special),
    shared: parts.flatMap(([count, { shared = [] }]) =>
      shared.map(([accesses, distinct]) => [count * accesses, distinct] as const),
    ),
  };
}
