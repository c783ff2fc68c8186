import { form, range, threads } from "./form.js";

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

export function groupFault(config: { readonly group: number; readonly threads: number }): string | undefined {
  const { group } = config;
  return group <= 32
    ? undefined
    : group === config.threads
      ? undefined
      : `${group} threads of ${config.threads} share a row`;
}

/** CUDA: blocks that loop over rows, so many at a time. */
export const cudaLoop = (count: number, rows: number) =>
  ({ workgroup: threads(count), tile: [1, rows, 1], persistent: true }) as const;

/** CUDA: rows shared by threads. */
export const cudaSharedRows = <P>() =>
  form<P>()({
    dimensions: SHARED_ROWS,
    needs: () => ["sm_70"],
    refuses: (_, config) => groupFault(config),
    launch: (_, config) => cudaLoop(config.threads, config.threads / config.group),
  });

/** CUDA: tiles of rows whose elements are spread over all threads. */
export const cudaTileRows = <P>(refuses: (params: P) => string | undefined = () => undefined) =>
  form<P>()({
    dimensions: { threads: BLOCK_THREADS, blocks: range(1, 32), tileRows: range(1, 256) },
    needs: () => ["sm_70"],
    refuses,
    launch: (_, config) => cudaLoop(config.threads, config.tileRows),
  });

/** CUDA: a block or a warp for each row. */
export const cudaRow = <P>() =>
  form<P>()({
    dimensions: { threads: BLOCK_THREADS, blocks: range(1, 32) },
    needs: () => ["sm_70"],
    launch: (_, config) => cudaLoop(config.threads, 1),
  });

/** Why 16-byte accesses to rows are not of so many elements. */
export function vectorFault(storage: "f32" | "bf16" | undefined, vector: number): string | undefined {
  const elements = storage === "bf16" ? 8 : 4;
  return vector === elements ? undefined : `16 bytes of a row are ${elements} elements, not ${vector}`;
}
