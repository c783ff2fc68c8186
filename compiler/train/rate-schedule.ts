import type { ValueId } from "../../ir/graph/graph.js";
import type { Tensor } from "../../ir/tensor.js";
import { type AdamOptions, corrections } from "./adam.js";
import { STEP_INPUTS } from "./descend.js";

/** Steps until rates are whole, or a tenth of all where that is less. */
const WARM_UP = 100;
/** How rates fall: (1 − progress)^.8. */
const DECAY = 0.8;

/** What a step, counted from 0, is fed besides its batch. */
export function stepNumbers(step: number, steps: number, adam: AdamOptions): ReadonlyMap<ValueId, Tensor> {
  const warmUp = Math.min(1, (step + 1) / Math.min(WARM_UP, Math.ceil(steps / 10)));
  const [correction1, correction2] = corrections(step + 1, adam);
  const values = { schedule: warmUp * (1 - step / steps) ** DECAY, correction1, correction2 };
  const names = Object.keys(STEP_INPUTS) as (keyof typeof STEP_INPUTS)[];
  return new Map(
    names.map((name) => [
      STEP_INPUTS[name],
      { dtype: "f32", shape: [], data: Float32Array.of(values[name]) },
    ]),
  );
}
