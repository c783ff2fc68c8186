import type { Family } from "../../ir/families/contract/family.js";
import type { Counts, Launched } from "../choice/cost.js";
import { type Streams, type Touched, touchedBy } from "../choice/touched.js";
import { LOAD_CYCLES, residentOf, WARP_ACCESS } from "./counts.js";

/** Instructions of an access of 16 bytes: its address, and whether it is inside. */
const ACCESS = 4;
/** Cycles of an exchange between lanes, and of a barrier with what warps leave for each other. */
const SHUFFLE_CYCLES = 25;
const BARRIER_CYCLES = 60;
/** Cycles of a load of what was read before: from L2 as a rule. */
const AGAIN_CYCLES = 300;
const VECTOR_BYTES = 16;
const START_CYCLES = 700;

/** How threads of a block share rows; see `SHARED_ROWS`. */
interface Sharing {
  readonly group: number;
  readonly threads: number;
  readonly held: boolean;
  readonly vector?: 4 | 8;
}

/** What a thread does for its part of a row, or of a tile. */
interface Part {
  /** Accesses to the row, and bytes of one. */
  readonly accesses: number;
  readonly access: number;
  /** Whether these are kept, and not read again on every pass. */
  readonly held: boolean;
  /** Threads that share sums. */
  readonly group: number;
}

/** Costs of a kernel whose threads share rows, or heads of rows, of so many elements. */
export function cudaSharedRowCosts<P>(
  family: Pick<Family<P>, "contract">,
  of: (params: P) => Streams & { readonly length: number; readonly heads?: number },
): (params: P, config: Sharing, launched: Launched) => Counts | null {
  return (params, { group, threads, held, vector = 4 }, launched) => {
    const { length, heads = 1, ...streams } = of(params);
    const touched = touchedBy(family, params, "cuda", launched, streams);
    if (touched === null) return null;
    const workgroups = Math.ceil((launched.rows * heads) / (threads / group));
    const accesses = Math.ceil(length / (group * vector));
    const part = { accesses, access: VECTOR_BYTES, held, group };
    return counts({ ...touched, workgroups }, streams, part, launched);
  };
}

/** Costs of a kernel whose threads take what a tile has in turns, 16 bytes each, or `access` bytes. */
export function cudaStreams<P>(
  family: Pick<Family<P>, "contract">,
  of: (params: P) => Streams & { readonly access?: number },
): (params: P, config: unknown, launched: Launched) => Counts | null {
  return (params, _, launched) => {
    const streams = of(params);
    const touched = touchedBy(family, params, "cuda", launched, streams);
    if (touched === null) return null;
    const { rowBytes, writtenBytes, workgroups } = touched;
    const [threads] = launched.launch.workgroup;
    const bytes = Math.max(rowBytes, writtenBytes) / Math.max(1, workgroups);
    const { access = VECTOR_BYTES } = streams;
    const accesses = Math.ceil(bytes / access / threads);
    return counts(touched, streams, { accesses, access, held: false, group: threads }, launched);
  };
}

function counts(
  { rowBytes, commonBytes, writtenBytes, operations, workgroups, gridRows: rows }: Touched,
  { passes = 1, vectors, folds = 0, special = 0, more = 0 }: Streams,
  { accesses, access, held, group }: Part,
  launched: Launched,
): Counts {
  const { launch, speed } = launched;
  const [threads] = launch.workgroup;
  const warps = threads / 32;
  const [readOnce, again] = [rowBytes, held ? 0 : (passes - 1) * rowBytes];
  const common = commonBytes * (vectors === undefined ? 1 : vectors * rows);
  const touched = readOnce + again + common + writtenBytes;
  // Whole accesses of all threads, whether there is something for each of them or not.
  const own = Math.max(rowBytes, writtenBytes);
  const elements = own / 4;
  const filled = own / Math.max(1, accesses * access * threads * workgroups);
  const each = (amount: number) => amount / Math.max(1, workgroups) / Math.min(1, Math.max(filled, 1 / 64));
  const exchanges = Math.log2(Math.min(32, group));
  const warpsOfRow = group > 32 ? group / 32 : 0;
  const ofFolds = folds * warps * (2 * exchanges + (group > 32 ? 8 + 3 * warpsOfRow : 0));
  const foldCycles = exchanges * SHUFFLE_CYCLES + (group > 32 ? BARRIER_CYCLES + 4 * warpsOfRow : 0);
  const resident = residentOf(launched);
  const memory = rowBytes + commonBytes + writtenBytes;
  const waves = Math.max(1, Math.ceil(workgroups / (speed.units * resident)));
  // A row's first loads are under way together, later ones one after the other.
  const latency =
    START_CYCLES + LOAD_CYCLES + folds * foldCycles + (held ? 0 : (passes * accesses - 1) * AGAIN_CYCLES);
  // While memory gives one wave what it wants, others wait for no more than that.
  const hidden = Math.min(latency, (memory / waves / speed.bytesPerSecond.memory) * speed.hertz);
  return {
    workgroups,
    each: {
      issue: (each(touched / access) * ACCESS) / 32 + each(operations + more * elements) / 32 + ofFolds,
      special: each(special * elements),
      shared: each(touched) + folds * WARP_ACCESS,
    },
    bytes: { l2: readOnce + again + commonBytes + writtenBytes, memory },
    resident,
    serial: latency - hidden + hidden / waves,
  };
}
