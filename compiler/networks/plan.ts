import type { ByteReader } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import { type NetworkPlanning, planNetwork } from "./compile.js";
import { pipelineNetworks } from "./index.js";
import { type NetworkReport, type PipelineReport, residencyOf } from "./report.js";

/** What a network would take. */
interface PlannedPart
  extends Pick<NetworkReport, "name" | "held" | "weightBytes" | "memoryBytes" | "tilePixels"> {
  /** The most device memory at each planned size, in bytes. */
  readonly peaks: readonly number[];
}

/** What the networks of a pipeline would take, or why that is not known. */
export interface PipelinePlan {
  readonly networks: readonly PlannedPart[];
  readonly residency: PipelineReport["residency"];
  /** What is wrong with a network that cannot be compiled; null where there is nothing. */
  readonly lacks: string | null;
}

/** Plans the networks of a pipeline's folder that `compile` would compile, beside a transformer that takes so many bytes. */
export function planPipeline(
  folder: string,
  reader: ByteReader,
  transformer: number,
  planning: NetworkPlanning,
): PipelinePlan {
  try {
    const planned = pipelineNetworks(folder).map((part) => planNetwork(part, reader, planning));
    const networks = planned.map(({ name, held, weightBytes, peakBytes, tilePixels, plans }) => ({
      ...{ name, held, weightBytes, tilePixels },
      memoryBytes: peakBytes,
      peaks: plans.map(({ memory }) => memory.keep.peak),
    }));
    return { networks, residency: residencyOf(transformer, planned, planning.limitBytes), lacks: null };
  } catch (error) {
    if (!(error instanceof TritcError)) throw error;
    const { place, message } = error.details;
    return {
      networks: [],
      residency: null,
      lacks: place === undefined ? message : `${place}: ${message}`,
    };
  }
}
