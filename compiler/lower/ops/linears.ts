import type { Constant } from "../../../ir/constant/constant.js";
import { byteLength } from "../../../ir/dtype.js";
import type { NarrowLayout } from "../../../ir/families/contract/narrow.js";
import type { TernaryGemmParams } from "../../../ir/families/ternary-gemm.js";
import { type Node, type NodeOf, shapeOf, type ValueId } from "../../../ir/graph/graph.js";
import type { LaunchArg } from "../../../ir/program/program.js";
import { countOf } from "../../../ir/tensor.js";
import { groupSizeOf, groupsOf } from "../../../ir/ternary/groups.js";
import { copy } from "../elementwise.js";
import { heldTensor } from "../held.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { columnArg, columnsOf, type Operand, repeatedArg, rowsArg, rowsOf, stored } from "../operand.js";
import { perRowOrOnce } from "../rows.js";
import type { Section } from "../rules.js";

export const linears: Section<"linears"> = {
  linear: lowerLinear,
  "ternary-linear": lowerTernaryLinear,
  "ternary-qkv": lowerTernaryQkv,
};

function lowerLinear(lowering: Lowering, node: NodeOf<"linear">): void {
  const [, weight, bias = null, gate = null, residual = null] = node.inputs;
  const { constant, n, k, id } = constantMatrix(lowering, weight);
  nameOperands(lowering, node.attrs.role, { weight: id, bias });
  const x = lowering.input(node, 0);
  const out = lowering.output(node);
  const { activation, gated, held } = node.attrs;
  const weights =
    held === undefined
      ? denseMatrix(lowering, id, constant, n, k)
      : narrowMatrix(lowering, id, constant, { n, k, held });
  lowering.launch({
    family: "dense-gemm",
    params: {
      n,
      k,
      activation,
      bias: bias !== null,
      gated,
      ...stored("x", x),
      ...stored("out", out),
      ...(held === undefined ? {} : { held }),
      ...(lowering.plan.multiplied === "f16" ? { products: "f16" } : lowering.plan.products),
    },
    rows: rowsOf(out.shape),
    args: [
      rowsArg(x),
      weights,
      ...vector(lowering, bias, n),
      ...gateAndResidual(lowering, gated, gate, residual, out),
      rowsArg(out),
    ],
  });
}

function lowerTernaryLinear(lowering: Lowering, node: NodeOf<"ternary-linear">): void {
  const { activation, gated, quantized } = node.attrs;
  const [gate = null, residual = null] = node.inputs.slice((quantized ? 3 : 1) + 3);
  const out = lowering.output(node);
  launchTernary(lowering, node, { activation, gated }, gateAndResidual(lowering, gated, gate, residual, out));
}

/** Rows of q and k leave the kernel normalized and rotated. */
function lowerTernaryQkv(lowering: Lowering, node: NodeOf<"ternary-qkv">): void {
  const { quantized, headDim, epsilon, width } = node.attrs;
  const first = (quantized ? 3 : 1) + 3;
  const weights = repeatedArg(lowering.input(node, first));
  const tables = [first + 1, first + 2].map((i) => rowsArg(lowering.input(node, i)));
  launchTernary(
    lowering,
    node,
    { activation: "none", gated: false, heads: { columns: 2 * width, headDim, epsilon } },
    [weights, ...tables],
  );
}

/** @param rest arguments between bias and out */
function launchTernary(
  lowering: Lowering,
  node: NodeOf<"ternary-linear"> | NodeOf<"ternary-qkv">,
  epilogue: Pick<TernaryGemmParams, "activation" | "gated" | "heads">,
  rest: readonly LaunchArg[],
): void {
  const { quantized } = node.attrs;
  const [codes, scales = null, bias = null] = node.inputs.slice(quantized ? 3 : 1);
  const { constant, n, k, id } = constantMatrix(lowering, codes);
  nameOperands(lowering, node.attrs.role, { codes: id, scales, bias });
  const out = lowering.output(node);
  const activations = quantized ? "i8" : lowering.plan.multiplied;
  const { group, scaleArgs } = scalesOf(lowering, scales, { n, k });
  const tensor = lowering.weights.codes(id, constant);
  const source = { name: tensor.name, shape: tensor.shape, bytes: countOf(tensor.shape) };
  const layout = { n, k, activations } as const;
  const { storage } = lowering.weights;
  const packed = storage === "trits" ? layout : { ...layout, storage };
  const weights = lowering.unpack("unpack-trits", packed, source);
  const x = rowsArg(quantized ? lowering.input(node, 0) : inStorage(lowering, lowering.input(node, 0)));
  lowering.launch({
    family: "ternary-gemm",
    params: { n, k, ...group, activations, bias: bias !== null, ...epilogue, ...stored("out", out) },
    rows: rowsOf(out.shape),
    args: [
      x,
      // The row's scale, and the sum of its codes, which kernels with scales of groups make group by group.
      ...(quantized ? [columnArg(lowering.input(node, 1))] : []),
      ...(quantized && group === undefined ? [columnArg(lowering.input(node, 2))] : []),
      weights,
      ...scaleArgs,
      ...vector(lowering, bias, n),
      ...rest,
      rowsArg(out),
    ],
  });
}

/** The scales of a matrix [n, k], and the parameter that says how many inputs share one; undefined: a row's all. */
function scalesOf(
  lowering: Lowering,
  id: ValueId | null,
  { n, k }: { readonly n: number; readonly k: number },
): { readonly group?: Pick<TernaryGemmParams, "group">; readonly scaleArgs: readonly LaunchArg[] } {
  const constant = id === null ? undefined : lowering.graph.constants.get(id);
  const size = groupSizeOf(k, constant?.shape ?? [n]);
  if (size === null || id === null || constant === undefined) return { scaleArgs: vector(lowering, id, n) };
  if (size === undefined) throw new UnsupportedOp(`scales [${constant.shape.join(", ")}] of ${k} inputs`);
  return { group: { group: size }, scaleArgs: [denseMatrix(lowering, id, constant, n, groupsOf(k, size))] };
}

/** A float matrix in the device layout of dense weights. */
export function denseMatrix(
  lowering: Lowering,
  id: ValueId,
  constant: Constant,
  n: number,
  k: number,
  form: { readonly winograd?: true } = {},
): LaunchArg {
  const { name, dtype, shape } = lowering.weights.dense(id, constant);
  if (dtype !== "f32" && dtype !== "f16" && dtype !== "bf16")
    throw new UnsupportedOp(`weights of type ${dtype}`);
  const source = { name, shape, bytes: byteLength(dtype, countOf(shape)) };
  return lowering.unpack("unpack-dense", { n, k, source: dtype, ...form }, source);
}

/** A float matrix in the device layout of what it is held in. */
function narrowMatrix(lowering: Lowering, id: ValueId, constant: Constant, matrix: NarrowLayout): LaunchArg {
  const { name, dtype, shape } = heldTensor(lowering, id, constant, matrix.held);
  const source = { name, shape, bytes: byteLength(dtype, countOf(shape)) };
  return lowering.unpack("unpack-narrow", matrix, source);
}

/** An operand as ternary linears without quantized rows read it. */
function inStorage(lowering: Lowering, x: Operand): Operand {
  // Rows of f16 are rounded by the kernel that reads them.
  const dtype = lowering.plan.multiplied === "f16" ? "f32" : lowering.plan.multiplied;
  if (x.dtype === dtype) return x;
  const out = lowering.temporary(dtype, x.shape);
  copy(lowering, x, out);
  return out;
}

/** Tensors of a linear with a role are named after it: `single.7.qkv.codes`. */
function nameOperands(
  lowering: Lowering,
  role: string | null,
  operands: Readonly<Record<string, ValueId | null>>,
): void {
  if (role === null) return;
  for (const [part, id] of Object.entries(operands)) lowering.weights.suggest(id, `${role}.${part}`);
}

function constantMatrix(lowering: Lowering, id: Node["inputs"][number] | undefined) {
  const constant = typeof id === "string" ? lowering.graph.constants.get(id) : undefined;
  const [n, k] = constant?.shape ?? [];
  if (typeof id !== "string" || constant === undefined || n === undefined || k === undefined) {
    throw new UnsupportedOp("a weight that is no constant matrix");
  }
  return { constant, n, k, id };
}

/** A bias or scale vector of n entries, if there is one. */
function vector(lowering: Lowering, id: ValueId | null, n: number): readonly LaunchArg[] {
  if (id === null) return [];
  const shape = shapeOf(lowering.graph, id);
  if (columnsOf(shape) !== n) throw new UnsupportedOp(`a vector of ${columnsOf(shape)} for ${n} columns`);
  return [repeatedArg(lowering.operand(id))];
}

function gateAndResidual(
  lowering: Lowering,
  gated: boolean,
  gate: ValueId | null,
  residual: ValueId | null,
  out: Operand,
): readonly LaunchArg[] {
  if (!gated || gate === null || residual === null) return [];
  return [perRowOrOnce(lowering.operand(gate), out), rowsArg(lowering.operand(residual))];
}
