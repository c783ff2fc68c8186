/**
 * What stays on a device while a pipeline draws: all of its programs; the transformer and the network at work; or what is at
 * work alone, the transformer too being loaded again for each picture.
 */
export type Residency = "keep" | "close" | "alone";

export const RESIDENCIES = ["keep", "close", "alone"] as const satisfies readonly Residency[];

/** The most that each program of a pipeline takes, in bytes. */
export interface StageBytes {
  readonly transformer: number;
  readonly networks: readonly number[];
}

/** Up to this many bytes all stay where nobody says how much a device has. */
const USUAL_BYTES = 2 ** 32;

/** The most bytes on the device at one time. */
export function residentPeak({ transformer, networks }: StageBytes, residency: Residency): number {
  const largest = Math.max(0, ...networks);
  if (residency === "alone") return Math.max(transformer, largest);
  return transformer + (residency === "close" ? largest : networks.reduce((sum, bytes) => sum + bytes, 0));
}

/** What keeps most on a device of so many bytes; null: nobody knows how many. */
export function residencyFor(stages: StageBytes, limitBytes: number | null): Residency {
  if (limitBytes === null) return residentPeak(stages, "keep") <= USUAL_BYTES ? "keep" : "close";
  return RESIDENCIES.find((residency) => residentPeak(stages, residency) <= limitBytes) ?? "alone";
}
