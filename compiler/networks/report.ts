import { RESIDENCIES, type Residency, residencyFor, residentPeak } from "../../ir/program/residency.js";
import type { WrittenWeights } from "../bundle/parts.js";
import type { PackReport } from "../pack/write-weights.js";
import type { CompiledNetwork } from "./compile.js";
import type { NetworkName } from "./part.js";
import type { TextWeights } from "./text-weights.js";

/** A network of the pipeline that was compiled. */
export interface NetworkReport {
  readonly name: NetworkName;
  readonly kernels: number;
  /** What the device holds its linears' weights in. */
  readonly held: TextWeights;
  /** By phase. */
  readonly launches: Readonly<Record<string, number>>;
  /** Bytes of its weights.safetensors. */
  readonly weightBytes: number;
  /** The most device memory at any planned size, in bytes. */
  readonly memoryBytes: number;
  /** Side, in pixels, of the tiles that larger pictures are taken in; null where there is room for whole ones. */
  readonly tilePixels: number | null;
  readonly packing: PackReport;
}

export interface PipelineReport {
  /** Networks of the pipeline that are compiled too. */
  readonly networks: readonly NetworkReport[];
  /**
   * What stays on the device while a picture is drawn, and the most bytes at one time with each policy; null where no
   * network is compiled.
   */
  readonly residency: {
    readonly policy: Residency;
    readonly peaks: Readonly<Record<Residency, number>>;
  } | null;
}

/** What became of the networks of a pipeline whose transformer takes so many bytes. */
export function networkReports(
  compiled: readonly CompiledNetwork[],
  written: ReadonlyMap<NetworkName, WrittenWeights>,
  transformer: number,
  limitBytes: number | null,
): PipelineReport {
  const networks = compiled.flatMap(
    ({ name, kernels, held, lowered, peakBytes, tilePixels }): readonly NetworkReport[] => {
      const weights = written.get(name);
      if (weights === undefined) return [];
      const launches = lowered.program.phases.map((phase) => [phase.name, phase.launches.length]);
      return [
        {
          name,
          kernels: kernels.length,
          held,
          launches: Object.fromEntries(launches) as Record<string, number>,
          weightBytes: weights.weightBytes,
          memoryBytes: peakBytes,
          tilePixels,
          packing: weights.packing,
        },
      ];
    },
  );
  return { networks, residency: residencyOf(transformer, compiled, limitBytes) };
}

/** What stays on a device where a transformer and networks take so many bytes. */
export function residencyOf(
  transformer: number,
  compiled: readonly Pick<CompiledNetwork, "peakBytes">[],
  limitBytes: number | null,
): PipelineReport["residency"] {
  if (compiled.length === 0) return null;
  const stages = { transformer, networks: compiled.map(({ peakBytes }) => peakBytes) };
  const peaks = Object.fromEntries(
    RESIDENCIES.map((policy) => [policy, residentPeak(stages, policy)]),
  ) as Record<Residency, number>;
  return { policy: residencyFor(stages, limitBytes), peaks };
}
