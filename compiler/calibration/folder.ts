import { stat } from "node:fs/promises";
import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { MOST_METADATA_BYTES, readRegularText } from "../regular-file.js";
import { type CalibrationDescription, DESCRIPTION_FILE, parseDescription } from "./description.js";
import { MOMENTS_FILE, type MomentInput, openMoments } from "./moments.js";
import {
  type CalibrationSample,
  type CalibrationText,
  type PartLayout,
  partFile,
  partsOf,
  readNegative,
  readPartLayout,
  readSample,
  samplesOf,
} from "./parts.js";

/** A complete calibration folder: the samples stay on the disk. */
export interface Calibration {
  readonly description: CalibrationDescription;
  /** Samples in this folder. */
  readonly count: number;
  /** The i-th of them. Throws TRITC_E_CALIBRATION where it is damaged. */
  read(i: number): Promise<StoredSample>;
  /** What the model reads of the prompt that samples were moved away from; undefined where there is none. Throws likewise. */
  negative(): Promise<CalibrationText | undefined>;
  /** What the blocks' linear layers read, in the order of the graph. Throws TRITC_E_CALIBRATION where that was not summed up. */
  moments(): Promise<readonly InputMoments[]>;
}

/** Of a value that linear layers read, over all rows, steps and samples; a row counts by the (Δσ)² of its step. */
export interface InputMoments extends MomentInput {
  read(): Promise<{
    /** [width, width] the mean of x·xᵀ, for threads to share */
    readonly matrix: Float64Array<SharedArrayBuffer>;
    /** [width] the mean of x */
    readonly mean: Float64Array;
  }>;
}

export interface StoredSample extends CalibrationSample {
  readonly prompt: string;
}

interface Place {
  readonly path: string;
  readonly layout: PartLayout;
  /** Within the part. */
  readonly at: number;
  readonly prompt: string;
}

/**
 * Opens a folder that `tritc calibrate` wrote; the sizes of all parts are checked. Throws TRITC_E_CALIBRATION where the
 * folder is none, or not complete, and TRITC_E_SAFETENSORS.
 */
export async function openCalibration(folder: string): Promise<Calibration> {
  const description = readDescription(folder);
  const parts = partsOf(description);
  const missing = await missingParts(folder, parts);
  if (missing.length > 0) {
    throw new TritcError({
      code: "TRITC_E_CALIBRATION",
      message: "the calibration is not complete",
      place: folder,
      expected: `${parts.length} parts`,
      found: `${parts.length - missing.length}, without ${partFile(missing[0] ?? 0)}`,
      remedy: "run the same `tritc calibrate` again, which draws what is missing",
    });
  }
  const places: Place[] = [];
  for (const part of parts) {
    const path = join(folder, partFile(part));
    const layout = readPartLayout(path, description, part);
    for (const [at, sample] of samplesOf(description, part).entries()) {
      const { prompts } = description;
      places.push({ path, layout, at, prompt: prompts[sample % prompts.length] ?? "" });
    }
  }
  return {
    description,
    count: places.length,
    async read(i) {
      const place = places[i];
      if (place === undefined) throw new RangeError(`there is no sample ${i} of ${places.length}`);
      return { ...(await readSample(place.path, place.layout, place.at)), prompt: place.prompt };
    },
    async negative() {
      const [first] = places;
      if (description.negativePrompt === undefined || first === undefined) return undefined;
      return readNegative(first.path, first.layout);
    },
    moments: () => averages(folder, parts),
  };
}

async function averages(folder: string, parts: readonly number[]): Promise<readonly InputMoments[]> {
  const sums = openMoments(folder);
  const counted = new Set(sums?.parts);
  if (sums === undefined || parts.some((part) => !counted.has(part))) {
    throw new TritcError({
      code: "TRITC_E_CALIBRATION",
      message: "the moments of this calibration are not complete",
      place: folder,
      expected: `${MOMENTS_FILE} of ${parts.length} parts`,
      found: `${counted.size} parts`,
      remedy: "run the same `tritc calibrate` again with --moments, which adds what is missing",
    });
  }
  return sums.inputs.map((input, i) => ({
    ...input,
    async read() {
      const { second, first } = await sums.read(i);
      const scale = 1 / (sums.weight * input.rows);
      const matrix = new Float64Array(new SharedArrayBuffer(8 * second.length));
      for (let k = 0; k < matrix.length; k++) matrix[k] = scale * (second[k] ?? Number.NaN);
      return { matrix, mean: Float64Array.from(first, (value) => scale * value) };
    },
  }));
}

/** Throws TRITC_E_CALIBRATION where the folder is none of `tritc calibrate`. */
export function readDescription(folder: string): CalibrationDescription {
  const place = join(folder, DESCRIPTION_FILE);
  let text: string;
  try {
    text = readRegularText(place, MOST_METADATA_BYTES);
  } catch (cause) {
    throw new TritcError({
      code: "TRITC_E_CALIBRATION",
      message: "this is no calibration",
      place: folder,
      expected: `a folder with ${DESCRIPTION_FILE}`,
      found: cause instanceof Error ? cause.message : String(cause),
      remedy: "give a folder that `tritc calibrate` wrote",
      cause,
    });
  }
  return parseDescription(text, place);
}

/** Those of the parts that are not there. */
export async function missingParts(folder: string, parts: readonly number[]): Promise<readonly number[]> {
  const isThere = (part: number) =>
    stat(join(folder, partFile(part))).then(
      () => true,
      () => false,
    );
  const missing: number[] = [];
  for (const part of parts) if (!(await isThere(part))) missing.push(part);
  return missing;
}
