import type { OpAttrs } from "../../ops/index.js";
import { countOf, type Tensor } from "../../tensor.js";
import {
  type Context,
  type Floats,
  floats,
  newFloats,
  numbers,
  OpError,
  type Operands,
  sameDims,
} from "../value.js";
import { gemm } from "./gemm.js";
import { softmaxRows } from "./softmax.js";

/** The scores of one head, [queries, keys]. */
interface Scores {
  readonly data: Floats;
  readonly queries: number;
  readonly keys: number;
}

/** softmax(scale·q·kᵀ + bias)·v head by head, over the keys that take part. */
export function attention(x: Operands, attrs: OpAttrs["attention"], context: Context): Tensor {
  const [q, k, v, bias, mask] = [x.tensor(0), x.tensor(1), x.tensor(2), x.optional(3), x.optional(4)];
  const { heads, scale, causal = false, keyValueHeads = heads, maskLoss } = attrs;
  const width = q.shape.at(-1) ?? 1;
  const narrow = k.shape.at(-1) ?? 1;
  const [queries, keys] = [q.shape.at(-2) ?? 1, k.shape.at(-2) ?? 1];
  const batch = countOf(q.shape.slice(0, -2));
  const d = width / heads;
  if (width % heads !== 0 || !sameDims(k.shape, v.shape) || narrow !== d * keyValueHeads)
    throw new OpError(`attention of ${[q, k, v].map(shapeText).join(", ")} with ${heads} heads`);
  if (heads % keyValueHeads !== 0)
    throw new OpError(`${heads} heads of queries and ${keyValueHeads} of keys`);
  if (bias !== null && !sameDims(bias.shape, [heads, queries + keys - 1]))
    throw new OpError(`a bias ${shapeText(bias)} for ${heads} heads, ${queries} queries and ${keys} keys`);
  const words = mask === null ? null : numbers(mask);
  const masked = mask?.shape.at(-1) ?? 0;
  const fits = maskLoss === undefined ? masked === keys : masked <= keys && queries === keys;
  if (words !== null && (words.length !== batch * masked || !fits))
    throw new OpError(`a mask ${shapeText(mask)} for ${batch} times ${keys} keys`);

  const [a, b, values] = [floats(q), floats(k), floats(v)];
  const out = newFloats(q.dtype, a.length, context.wide);
  const scores = { data: newFloats(q.dtype, queries * keys, context.wide), queries, keys };
  const head = newFloats(q.dtype, queries * d, context.wide);
  for (let n = 0; n < batch; n++) {
    for (let h = 0; h < heads; h++) {
      const at = n * queries * width + h * d;
      const from = n * keys * narrow + Math.floor((h * keyValueHeads) / heads) * d;
      const left = { data: a, offset: at, row: width, column: 1 };
      gemm(queries, keys, d, left, { data: b, offset: from, row: 1, column: narrow }, scores.data, 0);
      for (let i = 0; i < scores.data.length; i++) scores.data[i] = scores.data[i]! * scale;
      if (bias !== null) addBias(scores, floats(bias), h);
      const takes = words === null ? null : words.subarray(n * masked, (n + 1) * masked);
      if (takes !== null && maskLoss !== undefined) lessen(scores, takes, maskLoss);
      leaveOut(scores, causal, maskLoss === undefined ? takes : null);
      softmaxRows(scores.data, scores.data, keys, false);
      const weights = { data: scores.data, offset: 0, row: keys, column: 1 };
      gemm(queries, d, keys, weights, { data: values, offset: from, row: narrow, column: 1 }, head, 0);
      for (let t = 0; t < queries; t++) out.set(head.subarray(t * d, (t + 1) * d), at + t * width);
    }
  }
  return { dtype: q.dtype, shape: q.shape, data: out };
}

/** Adds what depends on the distance of key and query. */
function addBias({ data, queries, keys }: Scores, bias: Floats, head: number): void {
  for (let i = 0; i < queries; i++) {
    const zero = head * (queries + keys - 1) + queries - 1 - i;
    for (let j = 0; j < keys; j++) data[i * keys + j] = data[i * keys + j]! + bias[zero + j]!;
  }
}

/** Takes loss·mᵢ·(1 − mⱼ) off the scores of the tokens that a mask is of. */
function lessen(
  { data, queries, keys }: Scores,
  mask: { readonly length: number; readonly [token: number]: number },
  loss: number,
): void {
  for (let i = 0; i < queries; i++) {
    const most = loss * (mask[i] ?? 1);
    for (let j = 0; j < mask.length; j++) data[i * keys + j] = data[i * keys + j]! - most * (1 - mask[j]!);
  }
}

/** Scores of keys that do not take part. */
function leaveOut(
  { data, queries, keys }: Scores,
  causal: boolean,
  takes: { readonly [key: number]: number } | null,
): void {
  if (!causal && takes === null) return;
  for (let i = 0; i < queries; i++) {
    let left = 0;
    for (let j = 0; j < keys; j++) {
      if ((takes === null || takes[j] !== 0) && (!causal || j <= i)) left++;
      else data[i * keys + j] = Number.NEGATIVE_INFINITY;
    }
    if (left === 0) throw new OpError(`query ${i} of attention has no key that takes part`);
  }
}

function shapeText(t: Tensor | null): string {
  return `[${t?.shape.join(", ")}]`;
}
