import type { Speed } from "../speed.js";

/** Vector registers that V8 gives to values: of x64's sixteen it keeps one to itself. */
export const VECTOR_REGISTERS = 15;
/** Bytes of a first-level cache that a working set may have; the rest is what streams by. */
export const FIRST_LEVEL_BYTES = 24 * 1024;

/**
 * Threads of a processor with vectors of 128 bits, as V8 makes code for it: by the instruction tables of x64 cores since 2019 (Zen 2,
 * Ice Lake), two multiplications, two additions, two vector loads and one store a cycle. `l2` is each core's own cache.
 */
export const cpuSpeed = (units: number): Speed => ({
  of: `${units} threads of 3.5 GHz`,
  units,
  lanes: 1,
  hertz: 3.5e9,
  perCycle: { issue: 4, int8: 64, f32: 16, special: 0.25, shared: 32 },
  overlaps: true,
  bytesPerSecond: { l2: units * 24 * 3.5e9, memory: Math.min(40e9, units * 15e9) },
  l2Bytes: 768 * 1024,
  holds: {
    workgroups: 1,
    threads: 1,
    sharedBytes: Number.POSITIVE_INFINITY,
    registers: Number.POSITIVE_INFINITY,
  },
  busyThreads: 1,
  launchSeconds: 3e-6,
});

/** How many threads there will be nobody knows: what a choice is good for with few and with many is good for those between. */
export const CPU_SPEED: Speed = { ...cpuSpeed(8), others: [cpuSpeed(2)] };

/**
 * Cycles that taking a chunk of tiles adds to a thread: a call of the kernel from JavaScript, and two atomic operations (one takes, one
 * says that it is done).
 */
export const CHUNK_CYCLES = 250;
/** Cycles that a thread waits for each other one that takes a chunk when it does: their counters share a line, which goes round twice. */
export const CONTENDED_CYCLES = 200;
