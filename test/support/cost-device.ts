import type { Speed } from "../../targets/speed.js";

/** 10 units of 1 GHz, to reckon with in one's head: 1e12 operations in f32 a second, twice as many in int8, 1e11 bytes. */
export const ROUND_SPEED: Speed = {
  of: "a device of the test",
  units: 10,
  lanes: 32,
  overlaps: true,
  hertz: 1e9,
  perCycle: { f32: 100, int8: 200, shared: 50 },
  bytesPerSecond: { l2: 1e12, memory: 1e11 },
  l2Bytes: 1e6,
  holds: { workgroups: 8, threads: 1024, sharedBytes: 65_536, registers: 65_536 },
  busyThreads: 256,
  launchSeconds: 1e-6,
};
