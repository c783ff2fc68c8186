import { createHash } from "node:crypto";
import type { LatentGeometry } from "../../ir/models/index.js";
import { familyOf } from "../../ir/models/index.js";
import { dynamicShift } from "../../runtime/scheduler.js";
import { readTeacher, type Teacher } from "../calibrate/teacher.js";
import { printDescription } from "../calibration/description.js";
import { type Calibration, openCalibration } from "../calibration/folder.js";
import { requireCalibrationOf } from "../calibration/same-model.js";
import { requireSource } from "../calibration/source.js";
import type { FileReader } from "../file-reader.js";
import { packageVersion } from "../version.js";
import type { BatchOptions } from "./batches.js";
import type { StepOptions } from "./descend.js";

/** What a training learns from. */
export interface Material {
  readonly teacher: Teacher;
  readonly calibration: Calibration;
  /** The sizes of the calibration, by the symbols of the teacher's graph. */
  readonly symbols: Readonly<Record<string, number>>;
  /** How its samples are noised. */
  readonly noise: Omit<BatchOptions, "size">;
}

export interface MaterialRequest {
  readonly input: string;
  readonly calibration: string;
  readonly pipeline?: string | undefined;
  readonly seed: number;
}

/** Throws those of `openCalibration` and `readTeacher`, TRITC_E_CALIBRATION for a calibration of another model. */
export async function openMaterial(request: MaterialRequest, reader: FileReader): Promise<Material> {
  const { input, pipeline, seed } = request;
  const calibration = await openCalibration(request.calibration);
  const { width, height, imageTokens, textTokens } = calibration.description;
  const teacher = readTeacher({ input, pipeline, resolution: { width, height } }, reader);
  requireCalibrationOf(teacher.model, calibration.description, request.calibration);
  requireSource(teacher.graph, calibration.description, request.calibration, reader);
  return {
    teacher,
    calibration,
    symbols: { img_tokens: imageTokens, txt_tokens: textTokens },
    noise: { seed, logShift: logShiftOf(teacher, imageTokens), geometry: geometryOf(teacher) },
  };
}

/** What the result of a training depends on, short enough to be shown. */
export function identityOf(
  { calibration: { description }, noise: { seed, logShift } }: Material,
  options: StepOptions & Readonly<Record<string, number | string | StepOptions["adam"]>>,
): string {
  const calibration = createHash("sha256").update(printDescription(description)).digest("hex").slice(0, 12);
  return JSON.stringify({ calibration, seed, logShift, ...options, tritc: packageVersion() });
}

/** The mean of ln(σ/(1 − σ)) over the schedule of a picture: what its shift adds to an even one's, whose mean is 0. */
function logShiftOf({ sampling: { scheduler } }: Teacher, imageTokens: number): number {
  if (scheduler === null) return 0;
  return scheduler.useDynamicShifting ? dynamicShift(scheduler, imageTokens) : Math.log(scheduler.shift);
}

function geometryOf({ model, layout, sampling, resolution: { width, height } }: Teacher): LatentGeometry {
  const { packing } = familyOf(model).sampling;
  return layout.geometry(height, width, model.outChannels / packing ** 2, sampling.pixelsPerToken / packing);
}
