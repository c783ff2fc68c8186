/** The registry of com.microsoft: operators that ONNX Runtime's optimizer fuses into a graph. */
import type { ValueId } from "../../../ir/graph/graph.js";
import { attend, resultMergedHeads, splitHeads } from "../expand/attention.js";
import { rotate } from "../expand/rotation.js";
import { swish } from "../expand/swish.js";
import type { Operation } from "../operation.js";
import { LayerNormalization, RMSNormalization } from "./norms.js";

export { DequantizeLinear } from "./quantized.js";
export { LayerNormalization, RMSNormalization as SimplifiedLayerNormalization };

export function Gelu(n: Operation) {
  n.result("gelu", [n.input(0)], { approximate: "none" });
}

export function BiasGelu(n: Operation) {
  n.result("gelu", [biased(n, n.input(0), n.input(1))], { approximate: "none" });
}

export function FastGelu(n: Operation) {
  n.result("gelu", [biased(n, n.input(0), n.optional(1))], { approximate: "tanh" });
}

/** x · sigmoid(alpha · x) */
export function QuickGelu(n: Operation) {
  swish(n, n.input(0), n.float("alpha", 1.702));
}

function biased(n: Operation, x: ValueId, bias: ValueId | null): ValueId {
  if (bias === null) return x;
  n.sameType(x, bias);
  return n.emit("binary", [x, bias], { fn: "add" });
}

/** alpha · op(a) · op(b), the operands transposed in their last two axes. */
export function FusedMatMul(n: Operation) {
  const a = n.input(0);
  const b = n.input(1);
  n.sameType(a, b);
  if (n.flag("transBatchA", false) || n.flag("transBatchB", false)) {
    n.refuse("FusedMatMul with transposed batches is not supported");
  }
  const alpha = n.float("alpha", 1);
  const transA = n.flag("transA", false);
  const transB = n.flag("transB", false);
  if (!transA && !transB) {
    if (alpha === 1) return n.result("matmul", [a, b], {});
    return n.result("binary", [n.emit("matmul", [a, b], {}), n.scalar(alpha, n.dtype(a))], { fn: "mul" });
  }
  // The rank is not known yet, and a transpose would need it: the ellipsis stands for the batch axes.
  const equation = `...${transA ? "ki" : "ik"},...${transB ? "jk" : "kj"}->...ij`;
  if (alpha === 1) return n.result("einsum", [a, b], { equation });
  const product = n.emit("einsum", [a, b], { equation });
  n.result("binary", [product, n.scalar(alpha, n.dtype(a))], { fn: "mul" });
}

/** input + skip (+ bias), which output 3 gives too. */
function skipped(n: Operation, bias: ValueId | null): ValueId {
  const x = n.input(0);
  const skip = n.input(1);
  n.sameType(x, skip, bias);
  const sum = biased(n, n.emit("binary", [x, skip], { fn: "add" }), bias);
  n.forward(3, sum);
  return sum;
}

export function SkipLayerNormalization(n: Operation) {
  const scale = n.input(2);
  const shift = n.optional(3);
  const sum = skipped(n, n.optional(4));
  const attrs = { axis: -1, epsilon: n.float("epsilon", 1e-12) };
  n.result("layer-norm", shift === null ? [sum, scale] : [sum, scale, shift], attrs);
}

export function SkipSimplifiedLayerNormalization(n: Operation) {
  const scale = n.input(2);
  const sum = skipped(n, n.optional(3));
  n.result("rms-norm", [sum, scale], { axis: -1, epsilon: n.float("epsilon", 1e-12), group: 0 });
}

/** Query [B, S, H·D], key and value [B, T, H·D] or, from earlier calls, [B, H, T, D]. */
export function MultiHeadAttention(n: Operation) {
  n.ignore("mask_filter_value");
  const heads = n.int("num_heads");
  const given = n.float("scale", 0);
  const causal = n.flag("unidirectional", false);
  const [query, key, value] = projections(n);
  n.sameType(query, key, value);
  if (n.optional(4) !== null) n.refuse("MultiHeadAttention with a key padding mask is not supported");
  const bias = n.optional(3);
  const type = { dtype: n.dtype(query), shape: null };
  const biases = bias === null ? [] : n.emitAll("split", [bias], { axis: 0 }, [type, type, type]);
  const past = [n.optional(6), n.optional(7)] as const;
  if (causal && past[0] !== null) n.refuse("causal attention with past keys is not supported");
  const split = (x: ValueId, k: number) => {
    if (n.rank(x) === 4) return x;
    return splitHeads(n, biased(n, x, biases[k] ?? null), heads);
  };
  const joined = (x: ValueId, before: ValueId | null) =>
    before === null ? x : n.emit("concat", [before, x], { axis: 2 });
  const q = split(query, 0);
  const k = joined(split(key, 1), past[0]);
  const v = joined(split(value, 2), past[1]);
  n.forward(1, k);
  n.forward(2, v);
  resultMergedHeads(
    n,
    attend(n, q, k, v, { scale: given === 0 ? null : given, mask: n.optional(5), causal }),
  );
}

/** Query, key and value, each on its own or packed: [B, S, H, 3, D], or query [B, S, H·D] and [B, T, H, 2, D]. */
function projections(n: Operation): readonly [ValueId, ValueId, ValueId] {
  const query = n.input(0);
  const key = n.optional(1);
  const value = n.optional(2);
  if (key === null) return [unpack(n, query, 3, 0), unpack(n, query, 3, 1), unpack(n, query, 3, 2)];
  if (value === null) return [query, unpack(n, key, 2, 0), unpack(n, key, 2, 1)];
  return [query, key, value];
}

/** Part `index` of [B, S, H, count, D] as [B, S, H·D]. */
function unpack(n: Operation, x: ValueId, count: number, index: number): ValueId {
  const type = { dtype: n.dtype(x), shape: null };
  const parts = n.emitAll(
    "split",
    [x],
    { axis: 3 },
    Array.from({ length: count }, () => type),
  );
  return n.emit("reshape", [parts[index] ?? x, n.i64([0, 0, -1])], { allowZero: false });
}

/** Positions are an offset [1] or given [B, S]; x is [B, H, S, D] or [B, S, H·D]. */
export function RotaryEmbedding(n: Operation) {
  n.ignore("is_packed_batching");
  if (n.float("scale", 1) !== 1) n.refuse("RotaryEmbedding with a scale is not supported");
  const x = n.input(0);
  const positions = n.input(1);
  const cos = n.input(2);
  const sin = n.input(3);
  const interleaved = n.flag("interleaved", false);
  const channels = n.int("rotary_embedding_dim", 0);
  const rank = n.rank(x) ?? 3;
  if (n.rank(positions) === 1) n.refuse("RotaryEmbedding with an offset for positions is not supported");
  const gathered = (table: ValueId) => n.emit("gather", [table, positions], { axis: 0 });
  if (rank === 4) {
    n.int("num_heads", 0);
    return n.forward(0, rotate(n, x, gathered(cos), gathered(sin), { interleaved, channels, headAxis: 1 }));
  }
  const heads = n.int("num_heads", 0);
  const half = n.constantOf(cos)?.shape[1];
  if (heads === 0 && half === undefined) n.refuse("RotaryEmbedding without num_heads needs constant tables");
  const shape = heads > 0 ? [0, 0, heads, -1] : [0, 0, -1, 2 * (half ?? 0)];
  const parts = n.emit("reshape", [x, n.i64(shape)], { allowZero: false });
  const turned = rotate(n, parts, gathered(cos), gathered(sin), { interleaved, channels, headAxis: 2 });
  n.result("reshape", [turned, n.i64([0, 0, -1])], { allowZero: false });
}
