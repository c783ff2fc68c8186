import type { Speed } from "../speed.js";

/**
 * A GPU of the middle class of these years, as browsers meet them: the smallest of the vendors' numbers for GeForce RTX 3060, Radeon
 * RX 6600 and Apple's M2 Pro, rounded. A core of 128 lanes issues four subgroups' instructions a cycle, each a multiplication and
 * an addition in f32 or a packed dot product of four bytes at half that rate. A program cannot ask which GPU it is compiled for.
 */
export const GPU_SPEED: Speed = {
  of: "a GPU of the middle class",
  units: 24,
  lanes: 32,
  hertz: 1.5e9,
  perCycle: {
    ...{ issue: 4, int8: 512, f16: 256, f32: 256, special: 32, loads: 1, shared: 128 },
    // Where there are matrices of subgroups: half of what RTX 3060 has.
    ...{ tensorInt8: 1024, tensorF16: 512 },
  },
  overlaps: true,
  bytesPerSecond: { l2: 800e9, memory: 200e9 },
  l2Bytes: 2 * 2 ** 20,
  holds: { workgroups: 16, threads: 1024, sharedBytes: 64 * 1024, registers: 65_536 },
  busyThreads: 256,
  launchSeconds: 8e-6,
};

/** Cycles of a thread for an instruction of four lanes: such an adapter keeps every value of an invocation in memory. */
const INSTRUCTION = 10;
/** What a multiplication with an addition, a word of memory, and 16 bytes of workgroup memory for each lane take above that. */
const [FUSED, LOAD, SHARED] = [1.5, 24, 16];

/**
 * An adapter that runs on the processor (SwiftShader, llvmpipe): a thread runs a workgroup, four invocations to a vector of 128 bits. The
 * cycles are fits to what `tritc tune` measured of ternary and dense products at 2,600 settings (SwiftShader 5.0.0, two threads of an
 * AMD EPYC, relative error .2): `benchmarks/README.md`. Workgroup memory is memory like any other.
 */
const softwareSpeed = (units: number): Speed => ({
  of: `${units} threads of 3.5 GHz`,
  units,
  lanes: 4,
  hertz: 3.5e9,
  perCycle: {
    issue: 1 / INSTRUCTION,
    int8: 1,
    f16: 1,
    f32: 8 / FUSED,
    special: 0.1,
    loads: 1 / LOAD,
    shared: 128 / SHARED,
  },
  overlaps: false,
  bytesPerSecond: { l2: units * 16 * 3.5e9, memory: Math.min(30e9, units * 15e9) },
  l2Bytes: 768 * 1024,
  holds: {
    workgroups: 1,
    threads: Number.POSITIVE_INFINITY,
    sharedBytes: Number.POSITIVE_INFINITY,
    registers: Number.POSITIVE_INFINITY,
  },
  busyThreads: 4,
  workgroupCycles: 75_000,
  launchSeconds: 8e-5,
});

/** As with the processor's own kernels, nobody knows how many threads there will be. */
export const SOFTWARE_SPEED: Speed = { ...softwareSpeed(8), others: [softwareSpeed(2)] };
