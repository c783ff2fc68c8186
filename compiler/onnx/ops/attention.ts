import type { ValueId } from "../../../ir/graph/graph.js";
import { attend, repeatHeads, resultMergedHeads, splitHeads } from "../expand/attention.js";
import { rotate } from "../expand/rotation.js";
import type { Operation } from "../operation.js";

/** Attention (opset 23): 4-D operands [B, H, S, D], or 3-D ones [B, S, H·D] with the numbers of heads. */
export function Attention(n: Operation) {
  n.ignore("softmax_precision", "qk_matmul_output_mode");
  if (n.float("softcap", 0) !== 0) n.refuse("Attention with softcap is not supported");
  const scale = n.has("scale") ? n.float("scale") : null;
  const causal = n.flag("is_causal", false);
  const operands = [n.input(0), n.input(1), n.input(2)] as const;
  n.sameType(...operands);
  const mask = n.optional(3);
  const flat = n.has("q_num_heads");
  const heads = n.int("q_num_heads", headsOf(n, operands[0]) ?? 0);
  const kvHeads = n.int("kv_num_heads", headsOf(n, operands[1]) ?? heads);
  const split = (x: ValueId, count: number) => (flat ? splitHeads(n, x, count) : x);
  const q = split(operands[0], heads);
  let k = joinPast(n, 4, split(operands[1], kvHeads), causal);
  let v = joinPast(n, 5, split(operands[2], kvHeads), causal);
  n.forward(1, k);
  n.forward(2, v);
  // 4-D operands of unknown shape have as many key heads as query heads, or one, which broadcasts.
  if (heads !== kvHeads && heads > 0) {
    if (kvHeads < 1 || heads % kvHeads !== 0) {
      n.fail("q_num_heads is not a multiple of kv_num_heads", `a multiple of ${kvHeads}`, `${heads}`);
    }
    k = repeatHeads(n, k, kvHeads, heads / kvHeads);
    v = repeatHeads(n, v, kvHeads, heads / kvHeads);
  }
  const y = attend(n, q, k, v, { scale, mask, causal });
  if (flat) resultMergedHeads(n, y);
  else n.forward(0, y);
}

/** The heads of a [B, H, S, D] value, where its shape is known already. */
function headsOf(n: Operation, x: ValueId): number | undefined {
  const { shape } = n.type(x);
  const heads = shape?.length === 4 ? shape[1] : undefined;
  return typeof heads === "number" ? heads : undefined;
}

/** Keys or values of earlier calls come first along the sequence. */
function joinPast(n: Operation, operand: number, x: ValueId, causal: boolean): ValueId {
  const past = n.optional(operand);
  if (past === null) return x;
  if (causal) n.refuse("causal Attention with past keys is not supported");
  return n.emit("concat", [past, x], { axis: 2 });
}

/** RotaryEmbedding (opset 23): x is [B, H, S, D], or [B, S, H·D] with num_heads. */
export function RotaryEmbedding(n: Operation) {
  const x = n.input(0);
  const positions = n.optional(3);
  const table = (t: ValueId) => (positions === null ? t : n.emit("gather", [t, positions], { axis: 0 }));
  const heads = n.int("num_heads", 0);
  const interleaved = n.flag("interleaved", false);
  const channels = n.int("rotary_embedding_dim", 0);
  const cos = table(n.input(1));
  const sin = table(n.input(2));
  if (heads === 0) return n.forward(0, rotate(n, x, cos, sin, { interleaved, channels, headAxis: 1 }));
  const parts = n.emit("reshape", [x, n.i64([0, 0, heads, -1])], { allowZero: false });
  const turned = rotate(n, parts, cos, sin, { interleaved, channels, headAxis: 2 });
  n.result("reshape", [turned, n.i64([0, 0, -1])], { allowZero: false });
}
