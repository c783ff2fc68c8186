import type { Constant } from "../../ir/constant/constant.js";
import {
  kronecker,
  matmul,
  plus,
  plusProduct,
  reshaped,
  spread,
  times,
  transposed,
  widened,
} from "./algebra.js";
import { loraError } from "./errors.js";
import type { Form, Target } from "./form.js";
import { oft, peftOft } from "./rotations.js";
import type { Slots } from "./slots.js";
import type { Slot } from "./tensor-name.js";

/** W + s·(up · mid · down) */
const lora: Form = {
  name: "LoRA",
  signs: ["down", "up"],
  read({ slots, target, strength }) {
    const expected = "both factors: lora_A and lora_B, or lora_down and lora_up";
    const down = slots.needed("down", expected);
    const up = slots.needed("up", expected);
    const mid = slots.tensor("mid");
    const [rank = 0] = down.shape;
    const factors = [slots.values(up, [-1, rank]), slots.values(down, [rank, -1])] as const;
    const [first, last] = factors;
    const inner = mid === undefined ? last : matmul(slots.values(mid, [rank, rank]), last);
    const width = fitting(slots, "down", [first.shape[0] ?? 0, inner.shape[1] ?? 0], target);
    const by = strength(rank);
    return (of, scale) => plusProduct(of, first, width(inner), scale * by);
  },
};

/** W + s·((w1_a · w1_b) ⊙ (w2_a · w2_b)), with t1 and t2 between the factors if they are there. */
const loha: Form = {
  name: "LoHa",
  signs: ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"],
  read(context) {
    const { slots, target, strength } = context;
    const first = chain(slots, "hada_w1_a", "hada_w1_b", "hada_t1");
    const second = chain(slots, "hada_w2_a", "hada_w2_b", "hada_t2");
    const width = fitting(slots, "hada_w1_a", first.of.shape, target);
    fitting(slots, "hada_w2_a", second.of.shape, target);
    const delta = width(times(first.of, second.of));
    const by = strength(first.rank);
    return (of, scale) => plus(of, delta, scale * by);
  },
};

/** W + s·(w1 ⊗ w2), each of them whole or in factors. */
const lokr: Form = {
  name: "LoKr",
  signs: ["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"],
  read({ slots, target, strength }) {
    const part = (whole: Slot, a: Slot, b: Slot, between: Slot | undefined) => {
      const tensor = slots.tensor(whole);
      if (tensor !== undefined) return { of: slots.values(tensor, [-1, -1]), rank: undefined };
      return chain(slots, a, b, between);
    };
    const first = part("lokr_w1", "lokr_w1_a", "lokr_w1_b", undefined);
    const second = part("lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2");
    const product = kronecker(first.of, second.of);
    const delta = fitting(
      slots,
      slots.has("lokr_w1") ? "lokr_w1" : "lokr_w1_a",
      product.shape,
      target,
    )(product);
    const by = strength(second.rank ?? first.rank);
    return (of, scale) => plus(of, delta, scale * by);
  },
};

/** a · b, or aᵀ · t · b where t is there: [rows, columns]. */
function chain(slots: Slots, a: Slot, b: Slot, between: Slot | undefined) {
  const expected = `${a} and ${b}`;
  const last = slots.needed(b, expected);
  const [rank = 0] = last.shape;
  const right = slots.values(last, [-1, -1]);
  const middle = between === undefined ? undefined : slots.tensor(between);
  const left = slots.needed(a, expected);
  if (middle === undefined) return { of: matmul(slots.values(left, [-1, rank]), right), rank };
  const core = slots.values(middle, [rank, rank]);
  return { of: matmul(transposed(slots.values(left, [rank, -1])), matmul(core, right)), rank };
}

/** W + s·(W · a1 · a2 + b1 · b2) */
const glora: Form = {
  name: "GLoRA",
  signs: ["a1", "a2", "b1", "b2"],
  read({ slots, target: { rows, columns }, strength }) {
    const all = (["a1", "a2", "b1", "b2"] as const).map((slot) => slots.needed(slot, "a1, a2, b1 and b2"));
    const rank = all[2]?.shape[1] ?? 0;
    // LyCORIS once had the factors the other way round.
    const old = all[3]?.shape[0] === rows && all[0]?.shape[1] === columns && rank !== all[3]?.shape[0];
    const [a1, a2, b1, b2] = old ? [all[1], all[0], all[3], all[2]] : all;
    if (a1 === undefined || a2 === undefined || b1 === undefined || b2 === undefined)
      throw new Error("no factors");
    const r = b2.shape[0] ?? 0;
    const [left, right] = [slots.values(a1, [columns, r]), slots.values(a2, [r, columns])];
    const [up, down] = [slots.values(b1, [rows, r]), slots.values(b2, [r, columns])];
    const by = strength(r);
    return (of, scale) =>
      plusProduct(plusProduct(of, matmul(of, left), right, scale * by), up, down, scale * by);
  },
};

/** W + s·diff */
const difference: Form = {
  name: "difference",
  signs: ["diff"],
  read({ slots, target }) {
    const tensor = slots.needed("diff", "diff");
    const values = slots.values(tensor, [-1, -1]);
    const delta = fitting(slots, "diff", values.shape, target)(values);
    return (of, scale) => plus(of, delta, scale);
  },
};

/** W ⊙ (1 + s·w) along the rows or, with `on_input`, the columns. */
const ia3: Form = {
  name: "IA3",
  signs: ["on_input"],
  read({ slots, target: { rows, columns } }) {
    const axis = slots.number("on_input") === 0 ? 0 : 1;
    const tensor = slots.needed("weight", "weight and on_input");
    const length = axis === 0 ? rows : columns;
    if (slots.numbers(tensor).length !== length) throw slots.misshapen(tensor, `[${length}]`);
    const by = spread(tensor.values as Constant, [rows, columns], axis, 0);
    return (of, scale) => plus(of, times(of, by), scale);
  },
};

/** W ⊙ l along the rows [rows, 1] or the columns [1, columns]; W ⊙ (1 + s·(l − 1)) at other scales. */
const peftIa3: Form = {
  name: "IA3",
  signs: ["ia3_l"],
  read({ slots, target: { rows, columns } }) {
    const tensor = slots.needed("ia3_l", "ia3_l");
    const axis = tensor.shape[0] === rows ? 0 : 1;
    const values = slots.values(tensor, axis === 0 ? [rows, 1] : [1, columns]);
    const by = spread(values, [rows, columns], axis, -1);
    return (of, scale) => plus(of, times(of, by), scale);
  },
};

/** The weight itself, whatever the scale. */
const replacement: Form = {
  name: "new weight",
  signs: ["set_weight", "weight"],
  read({ slots, target: { rows, columns } }) {
    const slot = slots.has("set_weight") ? "set_weight" : "weight";
    const values = slots.values(slots.needed(slot, slot), [rows, columns]);
    return () => values;
  },
};

/** In the order in which they are looked for. */
export const FORMS: readonly Form[] = [
  lora,
  loha,
  lokr,
  glora,
  difference,
  ia3,
  peftIa3,
  oft,
  peftOft,
  replacement,
];

/** Throws unless an update has the weight's shape; one for fewer input channels gets zeros for the others. */
function fitting(
  slots: Slots,
  slot: Slot,
  shape: readonly number[],
  { rows, columns, input }: Target,
): (update: Constant) => Constant {
  const own = shape[1] ?? 0;
  if (shape[0] === rows && (own === columns || (input && own < columns))) {
    return (update) => widened(update, columns);
  }
  throw loraError({
    place: slots.place(slot),
    message: "the adapter is for a model of another size",
    expected: `an update of [${rows}, ${columns}]`,
    found: `[${shape.join(", ")}]`,
  });
}

/** W·(m / ‖W‖) by rows or by columns. */
export function renormalized(of: Constant, norms: Constant, axis: 0 | 1): Constant {
  const flat = norms.shape.length === 1 ? norms : reshaped(norms, [of.shape[axis] ?? 0]);
  return { ...of, source: { kind: "renormalize", of, norms: flat, axis } };
}
