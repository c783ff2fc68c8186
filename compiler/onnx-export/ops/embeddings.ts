import { ropePairs, sinusoidFrequencies } from "../../../ir/ops/frequencies.js";
import type { Section } from "../operands.js";

export const embeddings: Section<"embeddings"> = {
  /** Angles axis by axis, id·frequency, side by side: cos and sin [T, D/2]. */
  "rope-table": (n, attrs) => {
    const dtype = n.outDtype();
    const rank = n.rank(0);
    const positions = n.as(0, dtype);
    // With a batch axis every sample has the same ids.
    const ids = rank === 2 ? positions : n.op("Squeeze", [n.part(positions, 0, 0, 1), n.integers(0)]);
    const pairs = ropePairs(attrs);
    const angles = attrs.axesDims.flatMap((_, axis) => {
      const frequencies = pairs.filter((pair) => pair.axis === axis).map((pair) => pair.frequency);
      if (frequencies.length === 0) return [];
      const row = n.writer.cast(n.writer.floats(frequencies, [1, frequencies.length]), "f32", dtype);
      return [n.op("Mul", [n.part(ids, 1, axis, 1), row])];
    });
    const [first = ""] = angles;
    const all = angles.length === 1 ? first : n.op("Concat", angles, { axis: { int: 1 } });
    return [n.op("Cos", [all]), n.op("Sin", [all])];
  },
  "timestep-embedding": (n, attrs) => {
    const dtype = n.outDtype();
    const rank = n.rank(0);
    const t = n.op("Mul", [n.as(0, dtype), n.writer.scalar(attrs.factor, dtype)]);
    const frequencies = sinusoidFrequencies(attrs);
    const row = n.writer.cast(n.writer.floats(frequencies, [frequencies.length]), "f32", dtype);
    const angles = n.op("Mul", [n.unsqueeze(t, rank), row]);
    const [cos, sin] = [n.op("Cos", [angles]), n.op("Sin", [angles])];
    return n.op("Concat", attrs.sinFirst ? [sin, cos] : [cos, sin], { axis: { int: rank } });
  },
};
