import { addDims, subDims } from "../../../ir/dim.js";
import type { NodeOf } from "../../../ir/graph/graph.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { columnsOf, type Operand, rowsArg, rowsOf, stored } from "../operand.js";
import { fixed, headsOf, wholeVector } from "../rows.js";
import type { Section } from "../rules.js";

/** What is done head by head. */
export const attention: Section<"attention"> = {
  rope(l, node) {
    const tables = [l.input(node, 1), l.input(node, 2)];
    lowerRope(l, node, node.attrs.headDim, { epsilon: 0, norm: false, weight: null }, tables);
  },

  "qk-norm-rope"(l, node) {
    const { headDim, epsilon } = node.attrs;
    const tables = [l.input(node, 2), l.input(node, 3)];
    lowerRope(l, node, headDim, { epsilon, norm: true, weight: l.optional(node, 1) }, tables);
  },

  attention(l, node) {
    const [q, k, v] = [l.input(node, 0), l.input(node, 1), l.input(node, 2)];
    const [bias, mask] = [l.optional(node, 3), l.optional(node, 4)];
    const out = l.output(node);
    if (q.shape.slice(0, -2).some((d) => d !== 1)) throw new UnsupportedOp("attention of a batch");
    const { heads, scale, causal = false, keyValueHeads = heads, maskLoss } = node.attrs;
    const [rows, keys] = [rowsOf(q.shape), rowsOf(k.shape)];
    const int8 = l.plan.attention === "int8" && q.dtype === "bf16";
    l.launch({
      family: "attention",
      params: {
        heads,
        headDim: headsOf(fixed(columnsOf(q.shape)), heads),
        scale,
        ...stored("storage", q),
        ...(int8 ? { int8 } : {}),
        ...(l.plan.multiplied === "f16" ? { products: "f16" } : {}),
        ...(keyValueHeads === heads ? {} : { keyValueHeads }),
        ...(causal ? { causal } : {}),
        ...(bias === null ? {} : { bias: true }),
        ...(mask === null ? {} : { mask: maskType(mask) }),
        ...(maskLoss === undefined ? {} : { maskLoss }),
      },
      rows,
      args: [q, k, v, bias, mask, out].flatMap((operand) => (operand === null ? [] : [rowsArg(operand)])),
      scalars: [
        keys,
        ...(bias === null ? [] : [subDims(addDims(rows, keys), 1)]),
        ...(mask === null || maskLoss === undefined ? [] : [columnsOf(mask.shape)]),
      ],
    });
  },
};

function maskType({ dtype }: Operand): "f32" | "i32" | "u32" {
  if (dtype === "f32" || dtype === "i32" || dtype === "u32") return dtype;
  throw new UnsupportedOp(`a mask of keys that is stored in ${dtype}`);
}

function lowerRope(
  l: Lowering,
  node: NodeOf<"rope"> | NodeOf<"qk-norm-rope">,
  headDim: number,
  norm: { readonly norm: boolean; readonly epsilon: number; readonly weight: Operand | null },
  tables: readonly Operand[],
): void {
  const x = l.input(node, 0);
  const out = l.output(node);
  const rows = rowsOf(x.shape);
  if (tables.some((table) => rowsOf(table.shape) !== rows)) {
    throw new UnsupportedOp(`rotary tables of other rows than the ${rows} of x`);
  }
  l.launch({
    family: "qk-norm-rope",
    params: {
      heads: headsOf(fixed(columnsOf(x.shape)), headDim),
      headDim,
      norm: norm.norm,
      epsilon: norm.epsilon,
      weight: norm.weight !== null,
      rope: true,
      ...stored("x", x),
      ...stored("out", out),
    },
    rows,
    args: [rowsArg(x), ...wholeVector(norm.weight, headDim), ...tables.map(rowsArg), rowsArg(out)],
  });
}
