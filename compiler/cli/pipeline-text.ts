import type { Residency } from "../../ir/program/residency.js";
import type { NetworkReport, PipelineReport } from "../networks/report.js";
import { formatBytes } from "../units.js";

/** What is told of a network. */
type Told = Pick<NetworkReport, "name" | "held" | "weightBytes" | "memoryBytes" | "tilePixels">;

const STAYS: Readonly<Record<Residency, string>> = {
  keep: "all stays on the device",
  close: "beside the transformer one network at a time (--residency close)",
  alone: "transformer and networks one at a time, each loaded when it is used (--residency alone)",
};

/** What a pipeline's networks take besides the transformer, and everything together. */
export function pipelineRows(
  networks: readonly Told[],
  residency: PipelineReport["residency"],
  limitBytes: number | null,
): readonly (readonly [string, string])[] {
  if (residency === null) return [];
  const rows = networks.map(
    ({ name, held, weightBytes, memoryBytes, tilePixels }): readonly [string, string] => [
      name,
      `weights ${formatBytes(weightBytes)}, held in ${held}, device memory ${formatBytes(memoryBytes)}${
        tilePixels === null ? "" : `, pictures in tiles of ${tilePixels}x${tilePixels}`
      }`,
    ],
  );
  const { policy, peaks } = residency;
  const of = limitBytes === null ? "" : ` of ${formatBytes(limitBytes)}`;
  const fits = limitBytes === null || peaks[policy] <= limitBytes ? STAYS[policy] : "does not fit";
  return [...rows, ["whole pipeline", `${formatBytes(peaks[policy])}${of} at most: ${fits}`]];
}
