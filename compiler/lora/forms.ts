import type { Constant } from "../../ir/constant/constant.js";
import { rowsOf } from "../graph/rows-of.js";
import {
  inline,
  joined,
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
import { cayley, cayleySeries } from "./orthogonal.js";
import type { LoraSettings } from "./settings.js";
import type { Slots } from "./slots.js";
import type { Slot } from "./tensor-name.js";

/** A weight [rows, columns] that a form changes. */
export interface Target {
  readonly rows: number;
  readonly columns: number;
  /** Whether its columns are the model's input channels: updates for the first of them only are for them all. */
  readonly input: boolean;
}

export interface FormContext {
  readonly slots: Slots;
  readonly target: Target;
  readonly settings: LoraSettings | undefined;
  /** What an update of a rank is multiplied by; of no rank, such as a whole LoKr, where undefined. */
  strength(rank: number | undefined): number;
}

/** The weight with the update at a scale. */
export type Change = (of: Constant, scale: number) => Constant;

/** A way to write the update of a weight. */
export interface Form {
  readonly name: string;
  /** The tensors by which it is known: one of them is enough. */
  readonly signs: readonly Slot[];
  read(context: FormContext): Change;
}

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

/** Blocks of rows turned by Rᵀ = ((I + Q)·(I − Q)⁻¹)ᵀ with Q = B − Bᵀ, then scaled by `rescale`. */
const oft: Form = {
  name: "OFT",
  signs: ["oft_blocks"],
  read({ slots, target: { rows, columns } }) {
    const tensor = slots.needed("oft_blocks", "oft_blocks");
    const [count = 0, size = 0] = tensor.shape;
    if (count * size !== rows) throw slots.misshapen(tensor, `[n, b, b] of ${rows} rows`);
    slots.values(tensor, [count, size, size]);
    const blocks = slots.numbers(tensor);
    const skew = blocks.map((value, i) => {
      const [block, row, column] = [Math.floor(i / size ** 2), Math.floor(i / size) % size, i % size];
      return value - blocks[block * size ** 2 + column * size + row]!;
    });
    // LyCORIS' constraint, stored as alpha, bounds the norm of all of Q.
    const most = (slots.number("alpha") ?? 0) * rows;
    const norm = Math.hypot(...skewNorms(skew));
    const by = most > 0 && norm > most ? most / norm : 1;
    const turns = Array.from({ length: count }, (_, i) => {
      const q = Float64Array.from(skew.subarray(i * size ** 2, (i + 1) * size ** 2), (v) => v * by);
      return transposed(inline(Float32Array.from(cayley(q, size)), [size, size]));
    });
    const rescale = slots.tensor("rescale");
    const factors =
      rescale === undefined ? undefined : spread(slots.values(rescale, [rows, 1]), [rows, columns], 0, 0);
    return (of, scale) => {
      const turned = joined(turns.map((turn, i) => matmul(turn, rowsOf(of, i * size, size))));
      const whole = scale === 1 ? turned : between(of, turned, scale);
      return factors === undefined ? whole : times(whole, factors);
    };
  },
};

/** Norms of pieces, for `Math.hypot`, which takes only so many arguments. */
function skewNorms(values: Float32Array): number[] {
  const norms: number[] = [];
  for (let at = 0; at < values.length; at += 4096) norms.push(Math.hypot(...values.subarray(at, at + 4096)));
  return norms;
}

/** Groups of columns turned, W · Rᵀ; PEFT knows no other scale than 1. */
const peftOft: Form = {
  name: "OFT",
  signs: ["oft_R"],
  read({ slots, target: { columns }, settings }) {
    const tensor = slots.needed("oft_R", "oft_R");
    const [stored = 0, entries = 0] = tensor.shape;
    const size = (1 + Math.sqrt(1 + 8 * entries)) / 2;
    const count = columns / size;
    if (!Number.isInteger(size) || !Number.isInteger(count) || (stored !== count && stored !== 1)) {
      throw slots.misshapen(tensor, `[n, b·(b − 1)/2] of ${columns} columns`);
    }
    slots.values(tensor, [stored, entries]);
    if (settings?.method !== "OFT") {
      throw loraError({
        place: slots.place("oft_R"),
        message: "nothing says how the rotations were trained",
        expected: "PEFT's adapter_config.json beside the adapter",
        remedy: "download all of the adapter's folder",
      });
    }
    const upper = slots.numbers(tensor);
    const turns = new Float32Array(count * size * size);
    for (let block = 0; block < count; block++) {
      const q = skewOf(upper.subarray((block % stored) * entries, ((block % stored) + 1) * entries), size);
      const { neumannTerms: terms } = settings;
      const turn =
        terms === undefined
          ? cayley(
              q.map((v) => -v),
              size,
            )
          : cayleySeries(q, size, terms);
      turns.set(turn, block * size * size);
    }
    const blocks = inline(turns, [count, size, size]);
    return (of, scale) => {
      if (scale !== 1) {
        throw loraError({
          place: slots.place("oft_R"),
          message: "PEFT's OFT has no strength other than 1",
          expected: "1",
          found: String(scale),
          remedy: "give the adapter without a scale",
        });
      }
      return { ...of, source: { kind: "rotate", of, blocks } };
    };
  },
};

/** The skew-symmetric matrix of the entries above its diagonal. */
function skewOf(upper: Float32Array, size: number): Float64Array {
  const q = new Float64Array(size * size);
  let at = 0;
  for (let row = 0; row < size; row++) {
    for (let column = row + 1; column < size; column++) {
      const value = upper[at++] ?? 0;
      q[row * size + column] = value;
      q[column * size + row] = -value;
    }
  }
  return q;
}

/** (1 − s)·first + s·second */
export function between(first: Constant, second: Constant, scale: number): Constant {
  return plus(plus(first, second, scale), first, -scale);
}

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
