import type { Family } from "../../ir/families/contract/family.js";
import type { Counts, Launched } from "../choice/cost.js";
import { type Streams, touchedBy } from "../choice/touched.js";
import { BARRIER, type Invocation, total, wgslCounts } from "./counts.js";

/** Instructions of a loop and of an address for each word. */
const WORD = 5;
/** Registers of an invocation: addresses and few values. */
const REGISTERS = 32;

/** A sum or maximum over a row: see `wgsl/row.wgsl.hbs`. */
function rowFold(lanes: number): Invocation {
  return {
    other: 3 * BARRIER + 24,
    special: 0.1,
    shared: [
      [1, lanes / 4],
      [8, 2],
      [8, 1],
    ],
  };
}

/** As `Streams`, for kernels that do not share out words and rows as `wgsl/row.wgsl.hbs` does. */
interface WgslStreams extends Streams {
  /** Invocations over those that have work in a turn. */
  readonly unfilled?: number;
  /** What a sum or maximum takes; that over a row by all invocations if absent. */
  readonly fold?: Invocation;
}

/** Costs of a kernel whose invocations take words of its operands in turns. */
export function wgslStreams<P, C = unknown>(
  family: Pick<Family<P>, "contract">,
  of: (params: P, config: C, launched: Launched) => WgslStreams,
): (params: P, config: C, launched: Launched) => Counts | null {
  return (params, config, launched) => {
    const streams = of(params, config, launched);
    const { passes = 1, vectors, folds = 0, special = 0, more = 0 } = streams;
    const touched = touchedBy(family, params, "wgsl", launched, streams);
    if (touched === null) return null;
    const { rowBytes, commonBytes, writtenBytes, operations, workgroups, gridRows: rows } = touched;
    const { launch, speed } = launched;
    const [x, y, z] = launch.workgroup;
    const invocations = workgroups * x * y * z;
    const common = commonBytes * (vectors === undefined ? 1 : vectors * rows);
    const read = passes * rowBytes + common;
    // The last turn of a workgroup's invocations has work for some.
    const turns = Math.max(rowBytes, writtenBytes) / 4 / invocations;
    const { unfilled = turns === 0 ? 1 : Math.ceil(turns) / turns, fold = rowFold(speed.lanes) } = streams;
    const words = ((read + writtenBytes) / 4 / invocations) * unfilled;
    const invocation = total([
      [words, { loads: 1, other: WORD }],
      [(operations / invocations) * unfilled, { fused: 1 }],
      [turns * unfilled, { special, other: more }],
      [(folds * rows) / workgroups, fold],
    ]);
    const memory = rowBytes + commonBytes + writtenBytes;
    return wgslCounts(
      invocation,
      { workgroups, registers: REGISTERS, bytes: { l2: read + writtenBytes, memory } },
      launched,
    );
  };
}
