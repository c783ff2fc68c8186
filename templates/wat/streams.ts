import type { Family } from "../../ir/families/contract/family.js";
import type { Counts, Launched } from "../choice/cost.js";
import { type Streams, touchedBy } from "../choice/touched.js";
import { rereads, sumOf, times, watCounts, work } from "./counts.js";

const VECTOR_BYTES = 16;
/** Instructions of a loop for each vector that it goes over: the next address, and whether it is the last. */
const TURN = 3;
/** Instructions that calling a function for a vector takes. */
export const CALL = 24;
/** Those of an exponential of a vector, or of a function of one, most of which wait for each other; and of a function in f64 of each lane. */
export const EXPONENTIAL = 100;
export const LANEWISE = 660;
/** Calling one for a row with its addresses. */
const ROW = work({ other: 40 });
/** Instructions that go by while a vector of sums waits for the one before it. */
const CHAIN = 10;
/** Adding up a vector's lanes, a division and a root. */
const FOLD = work({ other: 12, f32: 3, special: 2 });

/** Costs of a kernel that goes over its operands in vectors of four. */
export function watStreams<P>(
  family: Pick<Family<P>, "contract">,
  of: (params: P) => Streams,
): (params: P, config: unknown, launched: Launched) => Counts | null {
  return (params, _, launched) => {
    const streams = of(params);
    const { passes = 1, vectors, folds = 0, special = 0, more = 0 } = streams;
    const touched = touchedBy(family, params, "wat", launched, streams);
    if (touched === null) return null;
    const { rowBytes, commonBytes, writtenBytes, operations, workgroups, gridRows: rows } = touched;
    const { speed } = launched;
    const common = commonBytes * (vectors === undefined ? 1 : vectors * rows);
    const results = writtenBytes / VECTOR_BYTES;
    const walked = (passes * rowBytes) / VECTOR_BYTES;
    // Passes that end with a fold: the others write.
    const chained = Math.min(folds, passes - 1) * (rowBytes / VECTOR_BYTES);
    const vectorsOf = Math.max(rowBytes, writtenBytes) / VECTOR_BYTES;
    const whole = sumOf([
      work({
        loads: walked + common / VECTOR_BYTES,
        stores: results,
        f32: operations / 4,
        special: special * vectorsOf,
        other: TURN * Math.max(walked, results) + CHAIN * chained + more * vectorsOf,
      }),
      times(ROW, rows),
      times(FOLD, folds * rows),
    ]);
    // What a row's passes go over, and what they read again of it.
    const working = (rowBytes + writtenBytes) / Math.max(1, rows) + commonBytes;
    const again = (passes - 1) * rowBytes + common - commonBytes;
    const bytes = [
      { l2: 0, memory: rowBytes + commonBytes + writtenBytes },
      rereads(working, again / working, speed),
    ];
    return watCounts(workgroups, whole, bytes, speed);
  };
}
