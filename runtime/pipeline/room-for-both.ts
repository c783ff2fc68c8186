import type { Bindings } from "../../ir/dim.js";
import type { Manifest } from "../../ir/format/manifest.js";
import type { Program } from "../../ir/program/program.js";
import { type Residency, residentPeak, type StageBytes } from "../../ir/program/residency.js";
import { runAllocations } from "../../targets/memory/buffers.js";
import { cachesReferences } from "../sample-inputs.js";

/**
 * Whether both passes of guidance run at once stay within the memory that a bundle was compiled for, beside what stays on the
 * device: what it was planned to take, and what values of two texts take more. Undefined where nobody says how much there is.
 */
export function roomForBoth(
  { program, manifest }: { readonly program: Program; readonly manifest: Manifest },
  stages: StageBytes,
  residency: Residency,
): ((form: Program, sizes: Bindings) => boolean) | undefined {
  const { sampling, memory } = manifest;
  const { limitBytes } = memory;
  if (limitBytes === null || sampling === null) return undefined;
  const { pixelsPerToken, referenceTokens } = sampling;
  const apart = cachesReferences(program);
  const planned = memory.plans.map(({ width, height, textTokens, steps }) =>
    runBytes(program, {
      img_tokens: ((width ?? 0) * (height ?? 0)) / pixelsPerToken ** 2 + (apart ? 0 : referenceTokens),
      ref_tokens: referenceTokens,
      txt_tokens: textTokens ?? 0,
      steps: steps ?? 0,
    }),
  );
  return (form, sizes) => {
    const more = Math.max(0, runBytes(form, sizes) - Math.max(0, ...planned));
    return residentPeak({ ...stages, transformer: stages.transformer + more }, residency) <= limitBytes;
  };
}

/** Bytes of inputs and intermediate values. */
function runBytes(program: Program, sizes: Bindings): number {
  return runAllocations(program, sizes).reduce((sum, { bytes }) => sum + bytes, 0);
}
