import type { DeviceRates } from "../../ir/program/work.js";
import type { MemoryRules } from "../../targets/memory/index.js";
import type { Target } from "../../targets/target.js";

/** What WebAssembly can address. */
const WASM_BYTES = 2 ** 32;
/** What the driver's context and the kernels' code take of a GPU: some 0.3 to 0.5 GB. An assumption, not a measurement. */
export const CUDA_RESERVED_BYTES = 2 ** 29;

/** How the target's device allocates: the cpu one on a single thread (each further one takes 256 KiB). */
export function memoryRules(target: Target): MemoryRules {
  switch (target.language) {
    case "wat":
      return { kind: "cpu", threads: 1 };
    case "wgsl": {
      const { maxBindingBytes, maxWorkgroupsPerDimension: maxWorkgroups } = target.limits;
      return { kind: "webgpu", limits: { maxBindingBytes, maxWorkgroups } };
    }
    case "cuda":
      return { kind: "cuda" };
  }
}

/**
 * Bytes that a program may take: of the card's memory, or of `cardBytes`, what the driver leaves. Null where the target
 * is no one device, and nobody says how large it is.
 */
export function memoryLimit(target: Target, cardBytes: number | undefined): number | null {
  switch (target.language) {
    case "wat":
      return Math.min(WASM_BYTES, cardBytes ?? WASM_BYTES);
    case "wgsl":
      return cardBytes ?? null;
    case "cuda": {
      const bytes = cardBytes ?? target.cuda?.gpu?.memoryBytes;
      return bytes === undefined ? null : Math.max(0, bytes - CUDA_RESERVED_BYTES);
    }
  }
}

/** Peak rates by the vendor's numbers. */
export function ratesOf(target: Target): DeviceRates {
  const gpu = target.cuda?.gpu;
  const tera = (rate: number | null | undefined) => (rate == null ? null : rate * 1e12);
  return { int8: tera(gpu?.int8Tops), bf16: tera(gpu?.bf16Tflops), bytes: gpu?.memoryBandwidth ?? null };
}
