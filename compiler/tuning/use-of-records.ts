import { deviceKinds } from "../../targets/device-kind.js";
import type { Target } from "../../targets/index.js";
import { MEASURED_BEST } from "../../templates/choice/choose.js";
import { keyOf } from "../../templates/choice/configs.js";
import type { LoweredProgram } from "../lower/index.js";
import { problemKey, type TuningRecord } from "./records.js";

/** What became of the records that a compilation was given. */
export interface UseOfRecords {
  /** Records that say which config is best for a kernel. */
  readonly findings: number;
  /** Kernels of the transformer and the pipeline's networks, fallbacks too, that have the config of one. */
  readonly kernels: number;
  /** Where no kernel has: why, in a few words. */
  readonly why: string | null;
}

/** Counts the kernels of programs that have a config of given records. */
export function useOfRecords(
  given: readonly TuningRecord[],
  programs: readonly Pick<LoweredProgram, "kernels">[],
  target: Target,
): UseOfRecords {
  const findings = given.filter((entry) => entry.kind === "chosen");
  const ofDevices = findings.filter(({ deviceKind }) =>
    deviceKinds(target).some(({ name }) => name === deviceKind),
  );
  const wanted = programs.flatMap((program) => program.kernels);
  const keys = new Set(wanted.map(({ kernel }) => problemKey(kernel)));
  const ofKernels = ofDevices.filter(({ kernel }) => keys.has(kernel));
  const known = new Set(ofKernels.map(({ kernel, config }) => `${kernel}\n${keyOf(config)}`));
  const kernels = wanted.filter(({ kernel, definition }) =>
    definition.choices.some(
      ({ reason, config }) =>
        reason === MEASURED_BEST && known.has(`${problemKey(kernel)}\n${keyOf(config)}`),
    ),
  ).length;
  const why = () => {
    if (findings.length === 0) return "they say of no kernel which config is best";
    if (ofDevices.length === 0)
      return `they are of other devices (${[...new Set(findings.map(({ deviceKind }) => deviceKind))].join(", ")})`;
    if (ofKernels.length === 0) return "they are of other kernels";
    return "this version has no such configs, or devices of the target do not take them";
  };
  return { findings: findings.length, kernels, why: kernels > 0 ? null : why() };
}
