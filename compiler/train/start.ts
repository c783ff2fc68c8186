import type { Constant } from "../../ir/constant/constant.js";
import type { Graph, ValueId } from "../../ir/graph/graph.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import { calibratedModel, type PrepareOptions } from "../gptq/calibrated.js";
import type { Parameter } from "./parameters.js";
import type { FrozenCodes } from "./student.js";
import { fittedTernary, type TernaryWeight } from "./ternary-weight.js";

/** Where training starts from, by the teacher's parameters; at the teacher's own for those that are not in it. */
export interface Start {
  readonly weights: ReadonlyMap<ValueId, TernaryWeight>;
  readonly plain: ReadonlyMap<ValueId, Constant>;
  /** What says which start it is. */
  readonly identity: string;
}

/** Every row of the teacher's weights by itself, all else the teacher's own. */
export const EXACT_START: Start = { weights: new Map(), plain: new Map(), identity: "exact" };

/** The codes of a model's ternary weights, by the names of these. */
export function codesOf(parameters: readonly Parameter[], start: Start): FrozenCodes {
  const ternary = parameters.filter((parameter) => parameter.ternary);
  return new Map(
    ternary.map(({ id, constant, group }) => [
      id,
      (start.weights.get(id) ?? fittedTernary(constant, group)).codes,
    ]),
  );
}

interface CalibratedRounding {
  readonly calibration: string;
  /** A folder that may be left of an earlier run. */
  readonly prepared: string;
  readonly group: GroupSize | undefined;
}

/**
 * The teacher's weights as `compile --ternarize calibrated` rounds them. Throws as `calibratedModel` does.
 */
export async function calibratedStart(
  teacher: Graph,
  { calibration, prepared, group }: CalibratedRounding,
  options: PrepareOptions,
): Promise<Start> {
  const { graph, prepare } = await calibratedModel(teacher, calibration, prepared, group);
  options.onNotice?.("rounding weights by the calibration's moments");
  await prepare(options);
  return startOf(teacher, graph);
}

/** A teacher's graph, and the same on ternary weights. */
function startOf(teacher: Graph, ternary: Graph): Start {
  const byResult = new Map(ternary.nodes.map((node) => [node.outputs[0], node]));
  const weights = new Map<ValueId, TernaryWeight>();
  const plain = new Map<ValueId, Constant>();
  for (const { op, inputs, outputs } of teacher.nodes) {
    const node = byResult.get(outputs[0]);
    if (op !== "linear" || node?.op !== "ternary-linear") continue;
    const [codes, scales, bias] = node.inputs.slice(1).map((id) => ternary.constants.get(id ?? ""));
    const [, weightId, biasId] = inputs;
    if (typeof weightId === "string" && codes && scales) weights.set(weightId, { codes, scales });
    if (typeof biasId === "string" && bias) plain.set(biasId, bias);
  }
  return { weights, plain, identity: "calibrated" };
}

/** Of half a cell, what is left free at its edge: no code changes in the first steps. */
const MARGIN = 0.1;

/**
 * A number that becomes a code, clip(round(u), −1, 1) = t, from a weight's own u: what lies beyond the edge of the code's cell is
 * mirrored into it, then all moves away from the edge in proportion. (Moved to the edge alone, they would all cross it in the same
 * step: Adam's first steps are of one size.)
 */
export function intoCell(u: number, code: number): number {
  const sign = code === 0 ? Math.sign(u) : code;
  const size = sign * u;
  if (code === 0) return sign * (1 - MARGIN) * Math.max(0, Math.min(size, 1 - size));
  if (size >= 1) return u;
  return sign * (1 - (1 - MARGIN) * Math.max(0, Math.min(size, 1 - size)));
}
