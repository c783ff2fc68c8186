import { TritcError } from "../../ir/errors.js";
import {
  boolean,
  decodeJson,
  either,
  index,
  list,
  nullable,
  number,
  object,
  oneOf,
  string,
  tagged,
} from "../../ir/format/decode.js";
import { type ModelDescription, modelDescription } from "../../ir/models/index.js";
import type { Shard } from "../shard.js";

export const DESCRIPTION_FILE = "calibration.json";

/** Names the format and its version. */
const FORMAT = "tritc-calibration/1";

/** `calibration.json`: what was, or will be, drawn into a folder. It is the same from the first part to the last. */
export interface CalibrationDescription {
  readonly format: typeof FORMAT;
  /** Tells the full-precision transformer's weights from others; see `sourceOf`. */
  readonly source: string;
  readonly model: ModelDescription;
  /** Sample k is of prompt k modulo their number. */
  readonly prompts: readonly string[];
  /** Samples of all shards together. */
  readonly samples: number;
  /** Samples that are drawn together, and lie in one part. */
  readonly batch: number;
  readonly steps: number;
  /** Null for a model that takes none. */
  readonly guidance: number | null;
  /** Whether three in ten samples have another guidance scale than that. */
  readonly guidanceVaries: boolean;
  /** What samples are moved away from; absent where they are not guided by two passes. */
  readonly negativePrompt?: string;
  readonly width: number;
  readonly height: number;
  readonly imageTokens: number;
  readonly textTokens: number;
  /** The noise of sample k has this seed + k. */
  readonly seed: number;
  /** Which parts are in this folder: those whose number is `index` − 1 modulo `count`. */
  readonly shard: Shard;
}

const members = {
  format: oneOf(FORMAT),
  source: string,
  model: modelDescription,
  prompts: list(string),
  samples: index,
  batch: index,
  steps: index,
  guidance: nullable(number),
  guidanceVaries: boolean,
  width: index,
  height: index,
  imageTokens: index,
  textTokens: index,
  seed: index,
  shard: object<Shard>({ index, count: index }),
};

const description = tagged<CalibrationDescription>("format", {
  [FORMAT]: either(
    object<Required<CalibrationDescription>>({ ...members, negativePrompt: string }),
    object<CalibrationDescription>(members),
  ),
});

/** The description of what is drawn now. */
export function describeCalibration(
  contents: Omit<CalibrationDescription, "format">,
): CalibrationDescription {
  return { format: FORMAT, ...contents };
}

/** Throws TRITC_E_CALIBRATION. */
export function parseDescription(text: string, place: string): CalibrationDescription {
  const found = decodeJson(text, description, place, DAMAGED, "TRITC_E_CALIBRATION");
  const { prompts, samples, batch, shard } = found;
  if (Math.min(prompts.length, samples, batch) > 0 && shard.index > 0 && shard.index <= shard.count)
    return found;
  throw new TritcError({
    code: "TRITC_E_CALIBRATION",
    message: "this describes no samples",
    place,
    expected: "prompts, samples and a batch, and a shard that is one of several",
    found: `${prompts.length} prompts, ${samples} samples, a batch of ${batch}, shard ${shard.index} of ${shard.count}`,
    remedy: DAMAGED,
  });
}

export function printDescription(contents: CalibrationDescription): string {
  return `${JSON.stringify(contents, null, 1)}\n`;
}

/** The members that differ. */
export function differences(a: CalibrationDescription, b: CalibrationDescription): readonly Difference[] {
  const members = Object.keys({ ...a, ...b }) as (keyof CalibrationDescription)[];
  return members
    .map((member) => ({ member, a: shown(a[member]), b: shown(b[member]) }))
    .filter((difference) => difference.a !== difference.b);
}

export interface Difference {
  readonly member: keyof CalibrationDescription;
  readonly a: string;
  readonly b: string;
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? "none";
}

const DAMAGED = "the file is damaged, or of another version of tritc: calibrate again into another folder";
