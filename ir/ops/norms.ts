import { divDims } from "../dim.js";
import { oneOf, op } from "./definition.js";
import { sameAsFirst } from "./results.js";
import { MODEL_ROWS, PLAIN, SAMPLES, type StepRows, type Traits } from "./traits.js";

/** Norms of rows that FLUX transformers have. */
const ROWS: Traits<{ readonly axis: number }> = {
  ...MODEL_ROWS,
  perStep: ({ axis }, { rank, ranks }: StepRows) => rank >= 2 && axis === rank - 1 && ranks.length === 1,
};

/** Values brought to mean 0, square mean 1 or length 1. */
export const norms = {
  /** (x, scale?, bias?) over the axes from `axis` on */
  "layer-norm": op({
    operands: [1, 3],
    attrs: { axis: "axis", epsilon: "number" },
    infer: sameAsFirst,
    traits: { ...ROWS, narrow: null },
  }),
  /** (x, scale?) over the last axis in groups of `group` channels (0: the whole axis); scale has `group` entries */
  "rms-norm": op({
    operands: [1, 2],
    attrs: { axis: "axis", epsilon: "number", group: "number" },
    infer: sameAsFirst,
    traits: ROWS,
  }),
  /** (x, scale, bias) */
  "instance-norm": op({ operands: 3, attrs: { epsilon: "number" }, infer: sameAsFirst, traits: PLAIN }),
  "group-norm": op({
    operands: 3,
    attrs: { groups: "number", epsilon: "number", perGroupAffine: "bool" },
    infer: sameAsFirst,
    traits: PLAIN,
  }),
  /** (x [B, ..., C], scale [C], bias [C]): as `group-norm` where channels come last. The channels of a group, in all rows
   *  of a sample, are brought to mean 0 and variance 1; then x·scale + bias, then the activation. */
  "group-norm-rows": op({
    operands: 3,
    attrs: { groups: "number", epsilon: "number", activation: oneOf("none", "silu") },
    infer: (o, { groups }) => {
      const channels = o.shape(0)?.at(-1) ?? 1;
      if (divDims(channels, groups) === undefined)
        o.fail(`channels in ${groups} groups of equal size`, `${channels}`);
      for (const i of [1, 2]) o.unify(channels, o.shape(i)?.[0] ?? channels, "channels");
      return sameAsFirst(o);
    },
    traits: SAMPLES,
  }),
  /** (x, scale, bias, mean, variance) */
  "batch-norm": op({ operands: 5, attrs: { epsilon: "number" }, infer: sameAsFirst, traits: PLAIN }),
  "lp-norm": op({ operands: 1, attrs: { axis: "axis", p: "number" }, infer: sameAsFirst, traits: PLAIN }),
};
