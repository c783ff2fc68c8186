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

/** A program of a pipeline: the transformer, or a network. */
export interface Stage {
  readonly name: string;
  readonly weightBytes: number;
  /** The most that it takes on the device at each planned size, in bytes. */
  readonly peaks: readonly number[];
}

/** The programs of a pipeline on a target. */
export interface PipelineStages {
  /** Planned pictures, for people. */
  readonly sizes: readonly string[];
  readonly limitBytes: number | null;
  /** The transformer first. */
  readonly stages: readonly Stage[];
  /** Why the networks are not among them; null where they are, or there are none. */
  readonly lacks: string | null;
}

/** The programs of a bundle. Throws TRITC_E_BUNDLE_FILE and TRITC_E_BUNDLE_FORMAT. */
export function stagesOfBundle(folder: string, listed: ListedFiles): PipelineStages {
  const { manifest } = listed;
  const has = (path: string) => manifest.files.some((file) => file.path === path);
  const networks = NETWORK_NAMES.flatMap((name): readonly Stage[] => {
    const path = `pipeline/${name}/${MANIFEST_FILE}`;
    return has(path) ? [stageOf(name, parseManifest(listed.text(path), join(folder, path)))] : [];
  });
  const { plans, limitBytes } = manifest.memory;
  return {
    sizes: plans.map(sizeOf),
    limitBytes,
    stages: [stageOf("transformer", manifest), ...networks],
    lacks: null,
  };
}

function stageOf(name: string, { files, memory: { plans, promptWeights } }: Manifest): Stage {
  return {
    name,
    weightBytes: files.find(({ path }) => path === WEIGHTS_FILE)?.bytes ?? 0,
    peaks: plans.map((plan) => {
      const { load, prompt, step } = plan[promptWeights];
      return Math.max(load, prompt, step);
    }),
  };
}

const MEANING: Readonly<Record<Residency, string>> = {
  keep: "all programs stay",
  close: "the transformer, and the network at work",
  alone: "what is at work alone",
};

/**
 * What each program takes, and all together by what stays on the device; none for a transformer alone.
 * @param on the target, where the page is about several
 */
export function pipelineSection(
  { sizes, limitBytes, stages, lacks }: PipelineStages,
  on?: string,
): readonly Section[] {
  const heading = `Whole pipeline${on === undefined ? "" : ` on ${on}`}, in bytes`;
  if (lacks !== null) return [{ heading, note: `The pipeline cannot be compiled: ${lacks}`, body: "" }];
  const [transformer, ...networks] = stages;
  if (transformer === undefined || networks.length === 0) return [];
  const rows = sizes.flatMap((size, i) => {
    const [first = 0, ...rest] = stages.map(({ peaks }) => peaks[i] ?? 0);
    const taken = { transformer: first, networks: rest };
    const policy = residencyFor(taken, limitBytes);
    return [
      ...stages.map(({ name, weightBytes, peaks }) => [
        size,
        name,
        formatCount(weightBytes),
        formatCount(peaks[i] ?? 0),
        "",
      ]),
      ...RESIDENCIES.map((residency) => {
        const peak = residentPeak(taken, residency);
        const fits = limitBytes === null ? "" : peak <= limitBytes ? "fits" : "does not fit";
        const chosen = residency === policy ? "chosen" : "";
        return [
          ...[size, `--residency ${residency}: ${MEANING[residency]}`, "", formatCount(peak)],
          [chosen, fits].filter((text) => text !== "").join(", "),
        ];
      }),
    ];
  });
  return [
    {
      heading,
      note: "Text encoders, transformer and VAE are programs of their own. What stays on the device decides how much is there at one time; without --residency it is the first policy that fits.",
      body: renderTable(["size", "program, or what stays", "#weight file", "#peak", "device"], rows),
    },
  ];
}

/** A planned picture, for people. */
export function sizeOf({ width, height }: Pick<ManifestPlan, "width" | "height">): string {
  return width === null || height === null ? "its only size" : printResolution({ width, height });
}
