import { type Dim, divDims, elementCount } from "../../../ir/dim.js";
import { cast, input } from "../../../ir/families/expression.js";
import type { NodeOf } from "../../../ir/graph/graph.js";
import { reinterpret } from "../alias.js";
import { launchElementwise } from "../elementwise.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { columnArg, columnsOf, type Operand, repeatedArg, rowsArg, rowsOf, stored } from "../operand.js";
import { perRowOrOnce } from "./linears.js";

/** Ops that treat every row (token) on its own, and attention. */
export const rowOps = {
  adaln(l: Lowering, node: NodeOf<"adaln">): void {
    const out = l.output(node);
    const rows = rowsOf(out.shape);
    l.launch({
      family: "adaln",
      params: { c: fixed(columnsOf(out.shape)), epsilon: node.attrs.epsilon, ...stored("out", out) },
      rows,
      args: [
        rowsArg(l.input(node, 0)),
        perRowOrOnce(l.input(node, 1), out),
        perRowOrOnce(l.input(node, 2), out),
        rowsArg(out),
      ],
      sizes: [1, rows, 1],
    });
  },

  "adaln-quantize"(l: Lowering, node: NodeOf<"adaln-quantize">): void {
    const x = l.input(node, 0);
    const rows = rowsOf(x.shape);
    l.launch({
      family: "adaln-quantize",
      params: { c: fixed(columnsOf(x.shape)), epsilon: node.attrs.epsilon },
      rows,
      args: [
        rowsArg(x),
        perRowOrOnce(l.input(node, 1), x),
        perRowOrOnce(l.input(node, 2), x),
        ...quantizedArgs(l, node),
      ],
      sizes: [1, rows, 1],
    });
  },

  "quantize-rows"(l: Lowering, node: NodeOf<"quantize-rows">): void {
    const q = l.output(node);
    const rows = rowsOf(q.shape);
    const c = fixed(columnsOf(q.shape));
    const sources = l.scattered.get(node.inputs[0] ?? "")?.map((id) => l.operand(id));
    const parts = sources?.map(({ shape }) => fixed(columnsOf(shape)));
    const rowsOfX = sources ?? [l.input(node, 0)];
    l.launch({
      family: "quantize-rows",
      params: { c, ...(parts === undefined ? {} : { parts }), ...rowsOfX.map((x) => stored("x", x))[0] },
      rows,
      args: [...rowsOfX.map(rowsArg), ...quantizedArgs(l, node)],
      sizes: [1, rows, 1],
    });
  },

  "layer-norm"(l: Lowering, node: NodeOf<"layer-norm">): void {
    const scale = l.optional(node, 1);
    const bias = l.optional(node, 2);
    const x = rowsFromAxis(l, l.input(node, 0), node.attrs.axis);
    const out = outputRows(l.output(node), x);
    const c = fixed(columnsOf(x.shape));
    const { epsilon } = node.attrs;
    l.launch({
      family: "layer-norm",
      params: { c, epsilon, scale: scale !== null, bias: bias !== null },
      rows: rowsOf(x.shape),
      args: [rowsArg(x), ...whole(scale, c), ...whole(bias, c), rowsArg(out)],
      sizes: [1, rowsOf(x.shape), 1],
    });
  },

  "rms-norm"(l: Lowering, node: NodeOf<"rms-norm">): void {
    const weight = l.optional(node, 1);
    const x = rowsFromAxis(l, l.input(node, 0), node.attrs.axis);
    const out = outputRows(l.output(node), x);
    const c = fixed(columnsOf(x.shape));
    const headDim = node.attrs.group === 0 ? c : node.attrs.group;
    l.launch({
      family: "qk-norm-rope",
      params: {
        heads: headsOf(c, headDim),
        headDim,
        norm: true,
        epsilon: node.attrs.epsilon,
        weight: weight !== null,
        rope: false,
        ...stored("x", x),
        ...stored("out", out),
      },
      rows: rowsOf(x.shape),
      args: [rowsArg(x), ...whole(weight, headDim), rowsArg(out)],
      sizes: [1, rowsOf(x.shape), 1],
    });
  },

  rope(l: Lowering, node: NodeOf<"rope">): void {
    const tables = [l.input(node, 1), l.input(node, 2)];
    lowerRope(l, node, node.attrs.headDim, { epsilon: 0, norm: false, weight: null }, tables);
  },

  "qk-norm-rope"(l: Lowering, node: NodeOf<"qk-norm-rope">): void {
    const { headDim, epsilon } = node.attrs;
    const tables = [l.input(node, 2), l.input(node, 3)];
    lowerRope(l, node, headDim, { epsilon, norm: true, weight: l.optional(node, 1) }, tables);
  },

  "rope-table"(l: Lowering, node: NodeOf<"rope-table">): void {
    const ids = asFloat(l, l.input(node, 0));
    const rows = rowsOf(ids.shape);
    l.launch({
      family: "rope-table",
      params: node.attrs,
      rows,
      args: [rowsArg(ids), rowsArg(l.output(node, 0)), rowsArg(l.output(node, 1))],
      sizes: [1, rows, 1],
    });
  },

  "timestep-embedding"(l: Lowering, node: NodeOf<"timestep-embedding">): void {
    const t = asFloat(l, l.input(node, 0));
    const rows = elementCount(t.shape);
    l.launch({
      family: "timestep-embedding",
      params: node.attrs,
      rows,
      args: [columnArg(t), rowsArg(l.output(node))],
      sizes: [1, rows, 1],
    });
  },

  attention(l: Lowering, node: NodeOf<"attention">): void {
    const [q, k, v] = [l.input(node, 0), l.input(node, 1), l.input(node, 2)];
    const out = l.output(node);
    if (q.shape.slice(0, -2).some((d) => d !== 1)) throw new UnsupportedOp("attention of a batch");
    const { heads, scale } = node.attrs;
    const rows = rowsOf(q.shape);
    const int8 = l.int8Attention && q.dtype === "bf16";
    l.launch({
      family: "attention",
      params: {
        heads,
        headDim: headsOf(fixed(columnsOf(q.shape)), heads),
        scale,
        ...stored("storage", q),
        ...(int8 ? { int8 } : {}),
      },
      rows,
      args: [rowsArg(q), rowsArg(k), rowsArg(v), rowsArg(out)],
      scalars: [rowsOf(k.shape)],
      sizes: [heads, rows, 1],
    });
  },
};

function quantizedArgs(l: Lowering, node: NodeOf<"adaln-quantize"> | NodeOf<"quantize-rows">) {
  return [rowsArg(l.output(node, 0)), columnArg(l.output(node, 1)), columnArg(l.output(node, 2))];
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
    args: [rowsArg(x), ...whole(norm.weight, headDim), ...tables.map(rowsArg), rowsArg(out)],
    sizes: [1, rows, 1],
  });
}

/** A size that kernels are specialized to. */
export function fixed(dim: Dim): number {
  if (typeof dim === "number") return dim;
  throw new UnsupportedOp(`a row of ${dim} elements, which must be a number`);
}

function headsOf(columns: number, size: number): number {
  const heads = divDims(columns, size);
  if (typeof heads !== "number") throw new UnsupportedOp(`${columns} channels are no multiple of ${size}`);
  return heads;
}

/** A vector that every row reads. */
function whole(operand: Operand | null, count: number) {
  if (operand === null) return [];
  if (elementCount(operand.shape) !== count) {
    throw new UnsupportedOp(`a vector of ${elementCount(operand.shape)} entries where ${count} are needed`);
  }
  return [repeatedArg(operand)];
}

/** The operand with the axes from `axis` on as one row. */
function rowsFromAxis(l: Lowering, x: Operand, axis: number): Operand {
  const at = axis < 0 ? axis + x.shape.length : axis;
  if (at === x.shape.length - 1) return x;
  return reinterpret(l, x, [...x.shape.slice(0, at), elementCount(x.shape.slice(at))]);
}

/** The result of a row op under the shape its input was given. */
function outputRows(out: Operand, x: Operand): Operand {
  if (columnsOf(out.shape) === columnsOf(x.shape)) return out;
  if (out.rowStride !== columnsOf(out.shape)) throw new UnsupportedOp("a result with gaps between its rows");
  return { ...out, shape: x.shape, rowStride: columnsOf(x.shape) };
}

function asFloat(l: Lowering, operand: Operand): Operand {
  if (operand.dtype === "f32") return operand;
  const out = l.temporary("f32", operand.shape);
  launchElementwise(l, cast("f32", input(0)), [operand], out);
  return out;
}
