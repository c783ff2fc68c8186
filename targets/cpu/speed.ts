import type { Speed } from "../speed.js";

/** Vector registers that V8 gives to values: of x64's sixteen it keeps one to itself. */
export const VECTOR_REGISTERS = 15;
/** Bytes of a first-level cache that a working set may have; the rest is what streams by. */
export const FIRST_LEVEL_BYTES = 24 * 1024;

/**
 * Threads of a processor with vectors of 128 bits, as V8 makes code for it: by the instruction tables of x64 cores since 2019 (Zen 2,
 * Ice Lake), two multiplications, two additions, two vector loads and one store a cycle. `l2` is each core's own cache.
 * How many threads there will be nobody knows; for fewer, launches with tiles for these lose little.
 */
export const CPU_SPEED: Speed = {
  of: "8 threads of 3.5 GHz",
  units: 8,
  lanes: 1,
  hertz: 3.5e9,
  perCycle: { issue: 4, int8: 64, f32: 16, special: 0.25, shared: 32 },
  overlaps: true,
  bytesPerSecond: { l2: 8 * 24 * 3.5e9, memory: 40e9 },
  l2Bytes: 768 * 1024,
  holds: {
    workgroups: 1,
    threads: 1,
    sharedBytes: Number.POSITIVE_INFINITY,
    registers: Number.POSITIVE_INFINITY,
  },
  busyThreads: 1,
  launchSeconds: 3e-6,
};
