import { join } from "node:path";
import {
  MANIFEST_FILE,
  type Manifest,
  type ManifestPlan,
  parseManifest,
  WEIGHTS_FILE,
} from "../../ir/format/manifest.js";
import { RESIDENCIES, type Residency, residencyFor, residentPeak } from "../../ir/program/residency.js";
import type { ListedFiles } from "../bundle/listed-files.js";
import { NETWORK_NAMES } from "../networks/part.js";
import { printResolution } from "../resolutions.js";
import { formatCount } from "../units.js";
import { renderTable, type Section } from "./markup.js";

/** A program of a pipeline: the transformer, or a network that is a bundle of its own. */
export interface Stage {
  readonly name: string;
  readonly manifest: Manifest;
}

/** The programs of a bundle, the transformer first. Throws TRITC_E_BUNDLE_FILE and TRITC_E_BUNDLE_FORMAT. */
export function stagesOfBundle(folder: string, listed: ListedFiles): readonly Stage[] {
  const has = (path: string) => listed.manifest.files.some((file) => file.path === path);
  const networks = NETWORK_NAMES.flatMap((name): readonly Stage[] => {
    const path = `pipeline/${name}/${MANIFEST_FILE}`;
    return has(path) ? [{ name, manifest: parseManifest(listed.text(path), join(folder, path)) }] : [];
  });
  return [{ name: "transformer", manifest: listed.manifest }, ...networks];
}

const MEANING: Readonly<Record<Residency, string>> = {
  keep: "all programs stay",
  close: "the transformer, and the network at work",
  alone: "what is at work alone",
};

/** What each program takes, and all together by what stays on the device; none for a transformer alone. */
export function pipelineSection(stages: readonly Stage[]): readonly Section[] {
  const [transformer, ...networks] = stages;
  if (transformer === undefined || networks.length === 0) return [];
  const { plans, limitBytes } = transformer.manifest.memory;
  const rows = plans.flatMap((plan, i) => {
    const bytes = stages.map(({ manifest }) => peakOf(manifest, manifest.memory.plans[i]));
    const [first = 0, ...rest] = bytes;
    const taken = { transformer: first, networks: rest };
    const policy = residencyFor(taken, limitBytes);
    return [
      ...stages.map(({ name, manifest }, at) => [
        sizeOf(plan),
        name,
        weightsOf(manifest),
        formatCount(bytes[at] ?? 0),
        "",
      ]),
      ...RESIDENCIES.map((residency) => {
        const peak = residentPeak(taken, residency);
        const fits = limitBytes === null ? "" : peak <= limitBytes ? "fits" : "does not fit";
        const chosen = residency === policy ? "chosen" : "";
        return [
          ...[sizeOf(plan), `--residency ${residency}: ${MEANING[residency]}`, "", formatCount(peak)],
          [chosen, fits].filter((text) => text !== "").join(", "),
        ];
      }),
    ];
  });
  return [
    {
      heading: "Whole pipeline, in bytes",
      note: "Text encoders, transformer and VAE are programs of their own. What stays on the device decides how much is there at one time; without --residency it is the first policy that fits.",
      body: renderTable(["size", "program, or what stays", "#weight file", "#peak", "device"], rows),
    },
  ];
}

function peakOf({ memory: { promptWeights } }: Manifest, plan: ManifestPlan | undefined): number {
  if (plan === undefined) return 0;
  const { load, prompt, step } = plan[promptWeights];
  return Math.max(load, prompt, step);
}

function weightsOf({ files }: Manifest): string {
  return formatCount(files.find(({ path }) => path === WEIGHTS_FILE)?.bytes ?? 0);
}

function sizeOf({ width, height }: ManifestPlan): string {
  return width === null || height === null ? "its only size" : printResolution({ width, height });
}
