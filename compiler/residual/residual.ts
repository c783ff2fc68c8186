import { join } from "node:path";
import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { printDescription } from "../calibration/description.js";
import { openCalibration } from "../calibration/folder.js";
import { MOMENTS_FILE } from "../calibration/moments.js";
import { requireCalibrationOf } from "../calibration/same-model.js";
import { requireSource } from "../calibration/source.js";
import { momentsByRole } from "../gptq/plan-model.js";
import type { Branch } from "../pass.js";
import { type FitBranchesOptions, fitBranches } from "./fit-branches.js";
import { type PlannedBranches, planBranches } from "./plan-branches.js";

/** `--residual-rank`: a ternary model with branches of low rank that are to be worked out. */
export interface ResidualModel {
  readonly graph: Graph;
  /** See `PassOptions`. They are there when `prepare` is done. */
  readonly branches: ReadonlyMap<Constant, Branch>;
  /** Roles of the layers that are too small for one. */
  readonly without: readonly string[];
  /** Throws TRITC_E_CALIBRATION where the calibration is of a model with other weights. */
  requireSource(reader: ByteReader): void;
  /** After the ternary weights have been made. */
  prepare(options: Omit<FitBranchesOptions, "calibration">): Promise<void>;
}

interface ResidualOptions {
  readonly rank: number;
  /** Folder of a calibration with moments; every input counts as much if absent. */
  readonly calibration: string | undefined;
  /** A folder that may be left of an earlier run. */
  readonly prepared: string;
}

/**
 * Plans the branches of a recognized model on ternary weights. Throws TRITC_E_RESIDUAL_RANK, TRITC_E_CALIBRATION and
 * TRITC_E_SAFETENSORS.
 */
export async function residualModel(
  original: Graph,
  ternary: Graph,
  { rank, calibration, prepared }: ResidualOptions,
): Promise<ResidualModel> {
  const file = join(prepared, "branches");
  if (calibration === undefined) {
    const plan = planBranches(original, ternary, { rank, file });
    return {
      ...plan,
      requireSource: () => undefined,
      prepare: (options) => fitBranches(plan, options),
    };
  }
  const { description, moments } = await openCalibration(calibration);
  if (original.model === undefined) throw new Error("only a recognized model is calibrated");
  requireCalibrationOf(original.model, description, calibration);
  const momentsOf = momentsByRole(await moments(), calibration);
  const plan: PlannedBranches = planBranches(original, ternary, { rank, file, momentsOf });
  const identity = printDescription(description);
  const files = [join(calibration, MOMENTS_FILE)];
  return {
    ...plan,
    requireSource: (reader) => requireSource(original, description, calibration, reader),
    prepare: (options) => fitBranches(plan, { ...options, calibration: { identity, files } }),
  };
}

/** Refuses what is no rank, or a rank without ternary weights: TRITC_E_RESIDUAL_RANK. */
export function checkResidualRank(rank: number, ternarize: string): void {
  if (Number.isSafeInteger(rank) && rank >= 0 && (rank === 0 || ternarize !== "none")) return;
  const isRank = Number.isSafeInteger(rank) && rank >= 0;
  throw new TritcError({
    code: "TRITC_E_RESIDUAL_RANK",
    message: isRank ? "dense weights leave nothing for a branch" : "this is no rank",
    place: "--residual-rank",
    expected: isRank ? "ternary weights" : "a whole number of 0 or more",
    found: isRank ? "--ternarize none" : String(rank),
    remedy: "leave --residual-rank out, or give a rank and ternary weights",
    exitCode: 2,
  });
}
