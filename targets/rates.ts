import type { DeviceRates } from "../ir/program/work.js";
import type { Target } from "./target.js";

/** Peak rates by the vendor's numbers. */
export function ratesOf(target: Target): DeviceRates {
  const gpu = target.cuda?.gpu;
  const tera = (rate: number | null | undefined) => (rate == null ? null : rate * 1e12);
  return { int8: tera(gpu?.int8Tops), bf16: tera(gpu?.bf16Tflops), bytes: gpu?.memoryBandwidth ?? null };
}
