import { philox4x32, seedWords } from "../../runtime/noise.js";
import type { CalibrationDescription } from "../calibration/description.js";

/** Share of the samples whose guidance scale is drawn, and from where. */
const VARIED = { share: 0.3, from: 1.5, to: 5 } as const;
/** Beside the noise, which is stream 0 of a seed. */
const GUIDANCE_STREAM = 1;

/** The seed of a sample's noise. */
export function seedOf({ seed }: CalibrationDescription, sample: number): bigint {
  return BigInt(seed) + BigInt(sample);
}

/** The guidance scale of a sample; 0 for a model that takes none. */
export function guidanceOf(description: CalibrationDescription, sample: number): number {
  const { guidance, guidanceVaries } = description;
  if (guidance === null) return 0;
  if (!guidanceVaries) return guidance;
  const [which, where] = philox4x32([0, 0, GUIDANCE_STREAM, 0], ...seedWords(seedOf(description, sample)));
  const { share, from, to } = VARIED;
  return which / 2 ** 32 < share ? from + ((to - from) * where) / 2 ** 32 : guidance;
}
