import { join } from "node:path";
import type { ByteReader } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import { printDescription } from "../calibration/description.js";
import { openCalibration } from "../calibration/folder.js";
import { MOMENTS_FILE } from "../calibration/moments.js";
import { requireCalibrationOf } from "../calibration/same-model.js";
import { requireSource } from "../calibration/source.js";
import type { LoraRequest } from "../lora/read.js";
import { planModel } from "./plan-model.js";
import { type TernarizedLayer, type TernarizeModelOptions, ternarizeModel } from "./ternarize-model.js";

export type PrepareOptions = Omit<TernarizeModelOptions, "calibration">;

/** `--ternarize calibrated`: a model whose ternary weights are to be worked out with a calibration. */
export interface CalibratedModel {
  /** On ternary weights that are there when `prepare` is done. */
  readonly graph: Graph;
  prepare(options: PrepareOptions): Promise<readonly TernarizedLayer[]>;
  /** For a whole model: throws TRITC_E_CALIBRATION where the calibration is of other weights. */
  requireSource(reader: ByteReader): void;
}

/** `prepared` is a folder that may be left of an earlier run. Throws TRITC_E_CALIBRATION. */
export async function calibratedModel(
  graph: Graph,
  calibration: string,
  prepared: string,
  group: GroupSize | null = null,
): Promise<CalibratedModel> {
  const { description, moments } = await openCalibration(calibration);
  if (graph.model === undefined) throw new Error("only a recognized model is calibrated");
  requireCalibrationOf(graph.model, description, calibration);
  const plan = planModel(graph, await moments(), {
    ...{ file: join(prepared, "weights"), calibration, group },
  });
  const identity = printDescription(description);
  const files = [join(calibration, MOMENTS_FILE)];
  return {
    graph: plan.graph,
    requireSource: (reader) => requireSource(graph, description, calibration, reader),
    prepare: (options) => ternarizeModel(plan, { ...options, calibration: { identity, files } }),
  };
}

/** Refuses options that do not go together: TRITC_E_CALIBRATION. */
export function checkCalibrated(options: {
  readonly ternarize: string;
  readonly calibration?: string | undefined;
  readonly lora?: readonly LoraRequest[];
  /** Branches of low rank are found with a calibration too. */
  readonly residualRank?: number;
}): void {
  const { ternarize, calibration, lora = [], residualRank = 0 } = options;
  const isCalibrated = ternarize === "calibrated";
  if (isCalibrated && calibration === undefined) {
    throw refused(
      "--calibration",
      "a folder that `tritc calibrate --moments` wrote",
      "--ternarize calibrated alone",
      "give the folder with --calibration, or leave --ternarize out",
    );
  }
  if (!isCalibrated && residualRank === 0 && calibration !== undefined) {
    throw refused(
      "--calibration",
      "--ternarize calibrated",
      `--ternarize ${ternarize}`,
      "give --ternarize calibrated, or leave --calibration out",
    );
  }
  if (calibration !== undefined && lora.length > 0) {
    throw refused(
      "--lora",
      "the model that the calibration is of",
      "adapters, which change what its layers read",
      "leave --lora out, or --calibration with --ternarize exact",
    );
  }
}

function refused(place: string, expected: string, found: string, remedy: string): TritcError {
  return new TritcError({
    code: "TRITC_E_CALIBRATION",
    message: "these options do not go together",
    ...{ place, expected, found, remedy, exitCode: 2 },
  });
}
