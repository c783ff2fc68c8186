import type { Graph } from "../../ir/graph/graph.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import type { PrepareOptions } from "../gptq/calibrated.js";
import { modelStart } from "./model-start.js";
import { calibratedStart, EXACT_START, type Start } from "./start.js";

export interface StartOptions extends Pick<PrepareOptions, "threads" | "signal" | "onNotice"> {
  /** `exact`, if absent, `calibrated`, or the path of a ternary model. */
  readonly start?: string | undefined;
  readonly calibration: string;
  readonly resume?: boolean;
  /** Inputs of a row that share a scale; all of them if absent. */
  readonly group?: GroupSize | undefined;
}

/** What an option says that training starts from. Throws those of `calibratedStart` and `modelStart`. */
export async function openStart(
  teacher: Graph,
  prepared: string,
  { start = "exact", calibration, resume = true, group, ...others }: StartOptions,
  reader: PrepareOptions["reader"],
): Promise<Start> {
  if (start === "exact") return EXACT_START;
  if (start !== "calibrated")
    return modelStart(teacher, start, { reader, group: group ?? null, signal: others.signal });
  const { threads, signal, onNotice } = others;
  const rounding = { calibration, prepared, group };
  return calibratedStart(teacher, rounding, { reader, resume, threads, signal, onNotice });
}
