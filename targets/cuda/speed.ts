import type { Speed } from "../speed.js";
import { ARCHITECTURES, type Architecture } from "./architectures.js";
import { GPUS, type Gpu } from "./gpus.js";

/** What a multiprocessor does in a cycle, by the vendor's tables of throughput; operations are two for a multiply-add. */
interface PerCycle {
  /** Of 8-bit matrix instructions; of dot products of four bytes where there are none. */
  readonly int8: number;
  readonly f32: number;
  readonly special: number;
  readonly shared: number;
}

const PER_CYCLE: Readonly<Record<Architecture, PerCycle>> = {
  sm_70: { int8: 512, f32: 128, special: 16, shared: 128 },
  sm_75: { int8: 2048, f32: 128, special: 16, shared: 64 },
  sm_80: { int8: 4096, f32: 128, special: 16, shared: 128 },
  sm_86: { int8: 2048, f32: 256, special: 16, shared: 128 },
  sm_89: { int8: 2048, f32: 256, special: 16, shared: 128 },
  sm_90a: { int8: 8192, f32: 256, special: 16, shared: 128 },
  sm_100a: { int8: 16_384, f32: 256, special: 16, shared: 128 },
  sm_120a: { int8: 2048, f32: 256, special: 16, shared: 128 },
};

/** A GPU of each architecture, where a target is of several. */
const USUAL: Readonly<Record<Architecture, string>> = {
  sm_70: "v100",
  sm_75: "t4",
  sm_80: "a100",
  sm_86: "rtx-3090",
  sm_89: "rtx-4090",
  sm_90a: "h100",
  sm_100a: "b200",
  sm_120a: "rtx-5090",
};

/** What drivers report where the vendor gives nothing. */
const UNSAID = { sms: 148, l2Bytes: 126 * 2 ** 20 } as const;
/** Boost clock of those whose peak rates say nothing of it. */
const VOLTA_HERTZ = 1.53e9;
/** Clocks under load, beside those that peak rates are for: an H200 holds some 1.70 of 1.83 GHz. */
const SUSTAINED = 0.93;
/** Bytes that the last cache gives each multiprocessor in a cycle: between what is measured of A100, H100 and GeForce. */
const L2_PER_CYCLE = 28;
/** The part of memory's bandwidth that long reads have. */
const READ_SHARE = 0.9;

/** How fast GPUs of an architecture are, or one of them. */
export function cudaSpeed(architecture: Architecture, gpu: Gpu | null): Speed | null {
  const known = gpu ?? GPUS[USUAL[architecture]];
  if (known === undefined) return null;
  const facts = ARCHITECTURES[architecture];
  const { int8, f32, special, shared } = PER_CYCLE[architecture];
  const { sms: units = UNSAID.sms, l2Bytes = UNSAID.l2Bytes } = { ...UNSAID, ...present(known) };
  const { int8Tops, bf16Tflops } = known;
  const hertz = (int8Tops === null ? VOLTA_HERTZ : (int8Tops * 1e12) / (units * int8)) * SUSTAINED;
  const matrices =
    int8Tops === null
      ? {}
      : { tensorInt8: int8, tensorF16: int8 * ((bf16Tflops ?? int8Tops / 2) / int8Tops) };
  return {
    of: `${known.model}, by the vendor's numbers`,
    units,
    lanes: 32,
    overlaps: true,
    hertz,
    perCycle: { issue: 4, ...matrices, int8: 4 * f32, f16: 2 * f32, f32, special, shared },
    bytesPerSecond: { l2: L2_PER_CYCLE * units * hertz, memory: known.memoryBandwidth * READ_SHARE },
    l2Bytes,
    holds: {
      workgroups: facts.threadsPerSm / 64,
      threads: facts.threadsPerSm,
      sharedBytes: facts.sharedBytesPerSm,
      registers: facts.registersPerSm,
    },
    busyThreads: 256,
    launchSeconds: 2e-6,
    doubt: 0.1,
  };
}

function present({ sms, l2Bytes }: Gpu) {
  return { ...(sms === null ? {} : { sms }), ...(l2Bytes === null ? {} : { l2Bytes }) };
}
