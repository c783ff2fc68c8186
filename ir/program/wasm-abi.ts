/**
 * What WebAssembly kernels and the runtime agree on. A kernel module imports `env.memory` (shared) and, where it
 * needs it, `env.scratch`: the address of WASM_SCRATCH_BYTES that belong to the calling thread and whose contents
 * do not survive the call. Kernels of tables may import `env.sin` and `env.cos` (f64). It exports `run(words, begin, end)`: tiles [begin, end) of the launch's grid in linear
 * order (x fastest); `words` is the address of the launch's words, with byte addresses for offsets.
 */
export const WASM_SCRATCH_BYTES = 1 << 18;

/** Pages (64 KiB) that the memory import declares: all of a 32-bit address space. */
export const WASM_MAX_PAGES = 65_536;
