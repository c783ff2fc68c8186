import { floats, given, microsoft, type OperatorCase, operator, x } from "./case.js";

const q = floats([2, 3, 8]);
const kv = floats([2, 5, 8]);

export const ATTENTION: readonly OperatorCase[] = [
  operator("Attention", [q, kv, kv], { q_num_heads: { i: 2 }, kv_num_heads: { i: 2 } }, { opset: 23 }),
  operator(
    "Attention",
    [q, kv, kv],
    { q_num_heads: { i: 2 }, kv_num_heads: { i: 2 }, is_causal: { i: 1 } },
    { opset: 23 },
  ),
  operator(
    "Attention",
    [q, floats([2, 5, 4]), floats([2, 5, 4])],
    { q_num_heads: { i: 4 }, kv_num_heads: { i: 2 } },
    { opset: 23 },
  ),
  operator(
    "Attention",
    [floats([2, 2, 3, 4]), floats([2, 2, 5, 4]), floats([2, 2, 5, 4])],
    { scale: { f: 0.3 } },
    { opset: 23 },
  ),
  operator(
    "Attention",
    [floats([2, 2, 3, 4]), floats([2, 2, 5, 4]), floats([2, 2, 5, 4]), floats([3, 5])],
    {},
    { opset: 23 },
  ),
  ...[1, 2].map((groups) =>
    operator(
      "Attention",
      [floats([2, 4, 3, 5]), floats([2, groups, 6, 5]), floats([2, groups, 6, 5])],
      {},
      { opset: 23, fixed: true },
    ),
  ),
  ...[0, 1].flatMap((interleaved) => [
    operator(
      "RotaryEmbedding",
      [floats([2, 3, 5, 8]), floats([2, 5, 4]), floats([2, 5, 4])],
      { interleaved: { i: interleaved } },
      { opset: 23 },
    ),
    operator(
      "RotaryEmbedding",
      [
        floats([2, 5, 24]),
        floats([9, 4]),
        floats([9, 4]),
        given("i64", [2, 5], [0, 8, 2, 3, 4, 5, 1, 7, 6, 0]),
      ],
      { interleaved: { i: interleaved }, num_heads: { i: 3 } },
      { opset: 23 },
    ),
    operator(
      "RotaryEmbedding",
      [
        floats([2, 5, 24]),
        given("i64", [2, 5], [0, 8, 2, 3, 4, 5, 1, 7, 6, 0]),
        floats([9, 4]),
        floats([9, 4]),
      ],
      { interleaved: { i: interleaved } },
      { ...microsoft, constant: [2, 3] },
    ),
  ]),
  operator(
    "RotaryEmbedding",
    [floats([2, 3, 5, 8]), floats([2, 5, 2]), floats([2, 5, 2])],
    { rotary_embedding_dim: { i: 4 } },
    { opset: 23 },
  ),
];

export const CONTRIB: readonly OperatorCase[] = [
  operator("MultiHeadAttention", [q, kv, kv], { num_heads: { i: 2 } }, microsoft),
  operator(
    "MultiHeadAttention",
    [q, kv, kv, floats([24])],
    { num_heads: { i: 2 }, scale: { f: 0.4 } },
    microsoft,
  ),
  operator(
    "MultiHeadAttention",
    [q, kv, kv, null, null, floats([2, 2, 3, 5])],
    { num_heads: { i: 2 } },
    microsoft,
  ),
  operator("Gelu", [x], {}, microsoft),
  operator("FastGelu", [x], {}, microsoft),
  operator("FastGelu", [x, floats([4])], {}, microsoft),
  operator("BiasGelu", [x, floats([4])], {}, microsoft),
  operator("QuickGelu", [x], {}, microsoft),
  operator("QuickGelu", [x], { alpha: { f: 1 } }, microsoft),
  operator("FusedMatMul", [x, floats([4, 5])], { alpha: { f: 0.5 } }, microsoft),
  operator("FusedMatMul", [x, floats([2, 5, 4])], { transB: { i: 1 }, alpha: { f: 0.5 } }, microsoft),
  operator("FusedMatMul", [x, floats([2, 3, 5])], { transA: { i: 1 } }, microsoft),
  operator("SimplifiedLayerNormalization", [x, floats([4])], { epsilon: { f: 0.01 } }),
  operator("SkipLayerNormalization", [x, floats([2, 3, 4]), floats([4]), floats([4])], {}, microsoft),
  operator(
    "SkipLayerNormalization",
    [x, floats([2, 3, 4]), floats([4]), null, floats([4])],
    { epsilon: { f: 0.1 } },
    microsoft,
  ),
  operator("SkipSimplifiedLayerNormalization", [x, floats([2, 3, 4]), floats([4])], {}, microsoft),
  // So small that the operator's own epsilon shows.
  operator(
    "SkipSimplifiedLayerNormalization",
    [floats([2, 3, 4], -1e-5, 1e-5), floats([2, 3, 4], -1e-5, 1e-5), floats([4])],
    {},
    microsoft,
  ),
];
