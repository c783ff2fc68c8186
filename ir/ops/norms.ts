import { op } from "./definition.js";
import { sameAsFirst } from "./results.js";
import { MODEL_ROWS, PLAIN, type StepRows, type Traits } from "./traits.js";

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
  /** (x, scale, bias, mean, variance) */
  "batch-norm": op({ operands: 5, attrs: { epsilon: "number" }, infer: sameAsFirst, traits: PLAIN }),
  "lp-norm": op({ operands: 1, attrs: { axis: "axis", p: "number" }, infer: sameAsFirst, traits: PLAIN }),
};
