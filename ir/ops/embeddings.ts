import { type Dim, divDims } from "../dim.js";
import { op, orNull } from "./definition.js";
import type { Operands } from "./operands.js";
import { tensor } from "./results.js";
import { MODEL } from "./traits.js";

/** One frequency per channel pair, where they are given. */
function givenFrequencies(o: Operands, given: readonly number[] | null, pairs: Dim | undefined): void {
  if (given !== null && given.length !== pairs) {
    o.fail(`one frequency per channel pair (${pairs ?? "an even number of channels"})`, `${given.length}`);
  }
}

/** Sines and cosines of positions and times. */
export const embeddings = {
  /** (ids[T, axes] or [B, T, axes]) → cos, sin: [T, D/2]; angle = id·frequencies[j], axes side by side. One
   *  frequency per channel pair, D/2 in all; null means theta^(−2j/axisDim), j counting within an axis. */
  "rope-table": op({
    operands: 1,
    results: 2,
    attrs: { axesDims: "numbers", theta: "number", frequencies: orNull("numbers") },
    infer: (o, { axesDims, frequencies }) => {
      const rows: Dim | undefined = o.shape(0)?.at(-2);
      const half = divDims(
        axesDims.reduce((sum, d) => sum + d, 0),
        2,
      );
      givenFrequencies(o, frequencies, half);
      const shape = rows === undefined || half === undefined ? null : [rows, half];
      return [
        { dtype: "f32", shape },
        { dtype: "f32", shape },
      ];
    },
    traits: MODEL,
  }),
  /** (t[B]) → [B, dim]: cos and sin of factor·t·frequencies[j], j < dim/2, cos first unless sinFirst; null
   *  frequencies mean exp(−ln(maxPeriod)·j/(dim/2 − shift)). */
  "timestep-embedding": op({
    operands: 1,
    attrs: {
      dim: "number",
      factor: "number",
      maxPeriod: "number",
      shift: "number",
      sinFirst: "bool",
      frequencies: orNull("numbers"),
    },
    infer: (o, { dim, frequencies }) => {
      givenFrequencies(o, frequencies, dim / 2);
      const shape = o.shape(0);
      return tensor("f32", shape === null ? null : [...shape, dim]);
    },
    traits: { ...MODEL, perStep: () => true },
  }),
};
