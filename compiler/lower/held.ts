import type { Constant } from "../../ir/constant/constant.js";
import type { ValueId } from "../../ir/graph/graph.js";
import { HELD_BLOCKS, type Held } from "../../ir/ops/held.js";
import { type Lowering, UnsupportedOp } from "./lowering.js";
import type { WeightTensor } from "./weights.js";

/** The tensor of a matrix whose values are what a device is to hold them in. */
export function heldTensor(lowering: Lowering, id: ValueId, constant: Constant, held: Held): WeightTensor {
  const { weights } = lowering;
  const tensor =
    held === "bf16" ? weights.dense(id, constant) : weights.blocks(id, constant, HELD_BLOCKS[held]);
  if (tensor === undefined || (held === "bf16" && tensor.dtype !== "bf16"))
    throw new UnsupportedOp(`a matrix whose values are not ${held}`);
  return tensor;
}
