import { type Dim, elementCount, mulDims, type Shape } from "../../ir/dim.js";
import { type ElementType, type Expression, input } from "../../ir/families/expression.js";
import type { LaunchArg } from "../../ir/program/program.js";
import { type Lowering, UnsupportedOp } from "./lowering.js";
import { type Operand, rowsArg, stridesOf } from "./operand.js";

const MAX_RANK = 5;

/** An operand of an elementwise launch: where it starts and its stride along each axis of the result. */
export interface StridedOperand {
  readonly arg: LaunchArg;
  readonly dtype: ElementType;
  readonly bf16: boolean;
  readonly strides: readonly Dim[];
}

/** out = expression(inputs) with NumPy broadcasting of the inputs to the shape of out. */
export function launchElementwise(
  lowering: Lowering,
  expression: Expression,
  inputs: readonly Operand[],
  out: Operand,
): void {
  const strided = inputs.map((operand) => broadcast(operand, out.shape));
  launchStrided(lowering, expression, strided, strideOperand(out, stridesOf(out)), out.shape);
}

/** Copies elements; the shapes are equal or broadcast. */
export function copy(lowering: Lowering, from: Operand, to: Operand): void {
  // A kernel never reads and writes one buffer.
  if (from.buffer === to.buffer) {
    const between = lowering.temporary(to.dtype, to.shape);
    launchElementwise(lowering, input(0), [from], between);
    launchElementwise(lowering, input(0), [between], to);
    return;
  }
  launchElementwise(lowering, input(0), [from], to);
}

/** As `launchElementwise` for operands whose strides the caller chose (transposes, slices, tiles). */
export function launchStrided(
  lowering: Lowering,
  expression: Expression,
  inputs: readonly StridedOperand[],
  out: StridedOperand,
  shape: Shape,
): void {
  const { sizes, strides } = collapse(shape, [...inputs.map((i) => i.strides), out.strides]);
  if (sizes.length > MAX_RANK) {
    throw new UnsupportedOp(`${sizes.length} axes that do not merge; kernels take ${MAX_RANK}`);
  }
  const total = elementCount(shape);
  const bf16 = [...inputs, out].flatMap((operand, i) => (operand.bf16 ? [i] : []));
  lowering.launch({
    family: "elementwise",
    params: {
      rank: sizes.length,
      inputs: inputs.map((i) => i.dtype),
      output: out.dtype,
      expression,
      ...(bf16.length > 0 ? { bf16 } : {}),
    },
    rows: total,
    args: [...inputs.map((i) => i.arg), out.arg],
    scalars: [...sizes, ...strides.flat()],
  });
}

/** The operand with its axes in another order, copied unless the order is the same. */
export function transposed(l: Lowering, x: Operand, order: readonly number[]): Operand {
  if (order.every((axis, i) => axis === i)) return x;
  const strides = stridesOf(x);
  const shape = order.map((axis) => x.shape[axis] ?? 1);
  const out = l.temporary(x.dtype, shape);
  const from = strideOperand(
    x,
    order.map((axis) => strides[axis] ?? 0),
  );
  launchStrided(l, input(0), [from], strideOperand(out, stridesOf(out)), shape);
  return out;
}

/** An operand with its own strides, one per axis of the launch. */
export function strideOperand(operand: Operand, strides: readonly Dim[]): StridedOperand {
  return { arg: rowsArg(operand), dtype: elementType(operand), bf16: operand.dtype === "bf16", strides };
}

/** Strides over a larger shape: 0 along axes that the operand lacks or has once. */
export function broadcast(operand: Operand, shape: Shape): StridedOperand {
  const own = stridesOf(operand);
  const lead = shape.length - operand.shape.length;
  const strides = shape.map((size, axis) => {
    const dim = operand.shape[axis - lead];
    if (axis < lead || dim === undefined || (dim === 1 && size !== 1)) return 0;
    if (dim !== size) throw new UnsupportedOp(`an operand of ${dim} entries where ${size} are needed`);
    return own[axis - lead] ?? 0;
  });
  return strideOperand(operand, strides);
}

function elementType(operand: Operand): ElementType {
  if (operand.dtype === "bf16") return "f32";
  if (operand.dtype === "f32" || operand.dtype === "i32" || operand.dtype === "u32") return operand.dtype;
  throw new UnsupportedOp(`elements of type ${operand.dtype}`);
}

/** Drops axes of size 1 and merges neighbours that every operand runs through in one stride. */
function collapse(
  shape: Shape,
  operands: readonly (readonly Dim[])[],
): { readonly sizes: readonly Dim[]; readonly strides: readonly (readonly Dim[])[] } {
  const sizes: Dim[] = [];
  const strides: Dim[][] = operands.map(() => []);
  for (const [axis, size] of shape.entries()) {
    if (size === 1) continue;
    const last = sizes.length - 1;
    const merges =
      last >= 0 && operands.every((own, i) => strides[i]?.[last] === mulDims(own[axis] ?? 0, size));
    if (merges) sizes[last] = mulDims(sizes[last] ?? 1, size);
    else sizes.push(size);
    for (const [i, own] of operands.entries()) {
      const list = strides[i] as Dim[];
      if (merges) list[last] = own[axis] ?? 0;
      else list.push(own[axis] ?? 0);
    }
  }
  if (sizes.length === 0) return { sizes: [1], strides: operands.map(() => [0]) };
  return { sizes, strides };
}
