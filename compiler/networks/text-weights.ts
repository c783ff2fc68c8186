import { wordType } from "../../ir/constant/words.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { Held } from "../../ir/ops/held.js";

/** What a device holds dense weights of a text encoder in, and the tables that it looks words up in. */
export type TextWeights = Held | "f32";

/**
 * What they are held in unless somebody says otherwise: as they are stored where that is bf16, which loses nothing and takes
 * half the memory; else f32.
 */
export function asStored({ nodes, constants }: Graph): TextWeights {
  const weights = nodes.flatMap(({ op, inputs }) => {
    const constant = op === "linear" ? constants.get(inputs[1] ?? "") : undefined;
    return constant === undefined ? [] : [constant];
  });
  return weights.length > 0 && weights.every((weight) => wordType(weight) === "bf16") ? "bf16" : "f32";
}
