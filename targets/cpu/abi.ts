/**
 * What WebAssembly kernels and the runtime agree on. A kernel module imports `env.memory` (shared) and, where it
 * needs it, `env.scratch`: the address of WASM_SCRATCH_BYTES that belong to the calling thread and whose contents
 * do not survive the call. Kernels of tables may import `env.sin` and `env.cos` (f64). It exports
 * `run(words, begin, end)`: tiles [begin, end) of the launch's grid in linear order (x fastest); `words` is the address of
 * the launch's words, with byte addresses for offsets. Modules that are more than that are refused.
 */
export const WASM_SCRATCH_BYTES = 1 << 19;

/** Pages (64 KiB) that the memory import declares: all of a 32-bit address space. */
export const WASM_MAX_PAGES = 65_536;

/** Where the control block of the threads lies. */
export const WASM_CONTROL_ADDRESS = 64;

/**
 * The control block: failure flag, number of the latest run, its version, an unused word, then two words a launch: epoch
 * and chunks taken, chunks done. Runs of one version have the same phases and no message between them that a thread has
 * to read, so that a thread that has just finished one takes up the next without the delay of a message.
 */
export const WASM_CONTROL_HEAD = 4;

/** The address behind the control block; scratch areas follow, one a thread. `launches`: as many as run at a time. */
export function wasmScratchAreas(launches: number): number {
  return Math.ceil((WASM_CONTROL_ADDRESS + 4 * (WASM_CONTROL_HEAD + 2 * launches)) / 64) * 64;
}

/** The first address that a program's buffers may take. */
export function wasmFirstFree(threads: number, launches: number): number {
  return wasmScratchAreas(launches) + threads * WASM_SCRATCH_BYTES;
}

/** In how many chunks of tiles threads take a launch. Many enough that none takes long: see the watchdog of `ThreadTeam`. */
export function chunksOf(tiles: number, threads: number): number {
  return Math.min(tiles, Math.max(16, 4 * threads));
}
