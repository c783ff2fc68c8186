import { lanesFeature, SUBGROUP_LANES } from "./features.js";
import { type ConfigOf, form, range, threads } from "./form.js";

/** WebAssembly: tiles of whole rows. */
export const watRows = <P>(refuses: (params: P) => string | undefined = () => undefined) =>
  form<P>()({
    dimensions: { rows: range(1, 64) },
    refuses,
    launch: (_, { rows }) => ({ tile: [1, rows, 1] }),
  });

/** WebAssembly: tiles of rows that pass through the scratch memory, each with a vector behind it. */
export const watScratchRows = <P extends { readonly c: number }>(
  refuses: (params: P) => string | undefined = () => undefined,
) =>
  form<P>()({
    dimensions: { rows: range(1, 64) },
    refuses,
    launch: ({ c }, { rows }) => ({ tile: [1, rows, 1], sharedBytes: 4 * c + 16 }),
  });

/** Bytes of the arrays in `wgsl/row.wgsl.hbs`, for one workgroup a row: a part of each invocation, and 8 results. */
const rowBytes = (invocations: number) => (invocations + 8) * 4;

/** WGSL: a workgroup for each row. */
export const wgslRow = <P>(refuses: (params: P) => string | undefined = () => undefined) =>
  form<P>()({
    dimensions: { threads: [64] },
    refuses,
    launch: (_, config) => ({
      workgroup: threads(config.threads),
      tile: [1, 1, 1],
      sharedBytes: rowBytes(config.threads),
    }),
  });

/** The same, where all subgroups of a device have `lanes` invocations, which are added first; `adds`: whether floats are. */
export const wgslSubgroupRow = <P>(
  adds: boolean,
  refuses: (params: P) => string | undefined = () => undefined,
) =>
  form<P>()({
    dimensions: { threads: [64, 128, 256], lanes: SUBGROUP_LANES },
    needs: ({ lanes }) => [lanesFeature(lanes)],
    refuses,
    launch: (_, config) => ({
      workgroup: threads(config.threads),
      tile: [1, 1, 1],
      sharedBytes: (config.threads / config.lanes) * 4,
    }),
    rounding: (_, config) => (adds ? `${config.threads} invocations in subgroups of ${config.lanes}` : ""),
  });

/** Threads of a CUDA block, whole warps. */
const BLOCK_THREADS = range(32, 1024, 32);

/** CUDA: how the threads of a block share rows; see `cuda/row.cuh`. */
export const SHARED_ROWS = {
  /** Threads that share a row: a power of two up to 32, or all threads of the block. */
  group: [1, 2, 4, 8, 16, ...BLOCK_THREADS],
  threads: BLOCK_THREADS,
  /** Blocks that a multiprocessor has registers for. */
  blocks: range(1, 32),
  /** Each thread keeps its part of the row in registers. */
  held: [true, false],
} as const;

type SharedRows = ConfigOf<typeof SHARED_ROWS>;

/** Accesses of a thread to a row: the most that it keeps in registers, and fewer than which rows are not read again. */
const HELD_ELEMENTS = { most: 32, least: 8 } as const;
/** Registers of a thread besides its part of a row. */
const ROW_REGISTERS = 28;
/** Threads of a multiprocessor at least, or memory's latency is not hidden. */
const FEWEST_THREADS = 512;

/** Elements of a row that a thread has at most, in whole accesses of `vector`. */
function elementsOf(length: number, vector: number, { group }: Pick<SharedRows, "group">): number {
  return Math.ceil(length / (group * vector)) * vector;
}

/** Why threads cannot share rows of so many elements in this way. */
export function sharedRowsFault(length: number, vector: number, config: SharedRows): string | undefined {
  const { group, held, threads } = config;
  if (group > 32 && group !== threads) return `${group} threads of ${threads} share a row`;
  if (group > 1 && (group - 1) * vector >= length && group > 32) {
    return `${group} threads share a row of ${Math.ceil(length / vector)} accesses`;
  }
  const elements = elementsOf(length, vector, config);
  if (held && elements > HELD_ELEMENTS.most) {
    return `${elements} elements of a thread, and it keeps up to ${HELD_ELEMENTS.most} in registers`;
  }
  if (!held && elements < HELD_ELEMENTS.least) {
    return `${elements} elements of a thread, which it can keep in registers`;
  }
  return threadsFault(config);
}

function threadsFault({ threads, blocks }: Pick<SharedRows, "threads" | "blocks">): string | undefined {
  return threads * blocks >= FEWEST_THREADS
    ? undefined
    : `${threads * blocks} threads of a multiprocessor hide no latency of memory`;
}

/** CUDA: blocks that loop over rows, so many at a time. */
export const cudaLoop = (count: number, blocks: number, rows: number) =>
  ({ workgroup: threads(count), tile: [1, rows, 1], persistent: true, blocks }) as const;

/** As `cudaLoop`, of rows shared by threads. */
export const cudaSharedLoop = (length: number, vector: number, rows: number, config: SharedRows) =>
  ({
    ...cudaLoop(config.threads, config.blocks, rows),
    registers: config.held ? elementsOf(length, vector, config) + ROW_REGISTERS : 0,
  }) as const;

/** CUDA: rows of `c` floats shared by threads, 4 at a time, with sums over each. */
export const cudaSharedRows = <P extends { readonly c: number }>() =>
  form<P>()({
    dimensions: SHARED_ROWS,
    needs: () => ["sm_70"],
    refuses: ({ c }, config) => sharedRowsFault(c, 4, config),
    launch: ({ c }, config) => cudaSharedLoop(c, 4, config.threads / config.group, config),
    rounding: (_, { group }) => `${group} threads add a row`,
  });

/** Accesses of a thread to a tile's rows at most. */
const TILE_ACCESSES = 8;

/** CUDA: tiles of rows of `length` 32-bit elements, which are spread over all threads. */
export const cudaTileRows = <P>(
  length: (params: P) => number,
  refuses: (params: P) => string | undefined = () => undefined,
) =>
  form<P>()({
    dimensions: { threads: BLOCK_THREADS, blocks: range(1, 32), tileRows: range(1, 256) },
    needs: () => ["sm_70"],
    refuses(params, config) {
      const { threads, tileRows } = config;
      const accesses = Math.ceil(length(params) / 4) * tileRows;
      if (tileRows > 1 && accesses > TILE_ACCESSES * threads) {
        return `${accesses} accesses of ${threads} threads to a tile, and it takes up to ${TILE_ACCESSES} of each`;
      }
      if (threads > 64 && 2 * accesses < threads)
        return `${threads} threads, and ${accesses} accesses to a tile`;
      return threadsFault(config) ?? refuses(params);
    },
    launch: (_, config) => cudaLoop(config.threads, config.blocks, config.tileRows),
  });

/** CUDA: a block for each row; `adds`: with sums over it. */
export const cudaRow = <P>({ adds }: { readonly adds: boolean }) =>
  form<P>()({
    dimensions: { threads: BLOCK_THREADS, blocks: range(1, 32) },
    needs: () => ["sm_70"],
    refuses: (_, config) => threadsFault(config),
    launch: (_, config) => cudaLoop(config.threads, config.blocks, 1),
    rounding: (_, { threads }) => (adds ? `${threads} threads add a row` : ""),
  });

/** Why 16-byte accesses to rows are not of so many elements. */
export function vectorFault(storage: "f32" | "bf16" | undefined, vector: number): string | undefined {
  const elements = storage === "bf16" ? 8 : 4;
  return vector === elements ? undefined : `16 bytes of a row are ${elements} elements, not ${vector}`;
}
