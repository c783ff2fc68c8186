import { addDims, type Dim, divDims, mulDims, type Shape } from "../../../ir/dim.js";
import { constant, input } from "../../../ir/families/expression.js";
import type { Node } from "../../../ir/graph/graph.js";
import { intsOf, plainIntsOf, scalarOf } from "../../rewrite/values.js";
import { aliasOrCopy, reinterpret } from "../alias.js";
import { broadcast, copy, launchElementwise, launchStrided, strideOperand } from "../elementwise.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { type Operand, rowsOf, stridesOf } from "../operand.js";
import type { Section } from "../rules.js";

/** Ops that move elements: aliases where offsets and strides can say it, else strided copies. */
export const shapes: Section<"shapes"> = {
  reshape: lowerReshape,
  squeeze: lowerReshape,
  unsqueeze: lowerReshape,
  flatten: lowerReshape,
  expand: (l, node) => copy(l, l.input(node, 0), l.output(node)),

  transpose(l, node) {
    const x = l.input(node, 0);
    const perm = node.attrs.perm ?? x.shape.map((_, i) => x.shape.length - 1 - i);
    const out = l.output(node);
    const own = stridesOf(x);
    const strides = perm.map((axis) => own[axis] ?? 0);
    launchStrided(l, input(0), [strideOperand(x, strides)], strideOperand(out, stridesOf(out)), out.shape);
  },

  part(l, node) {
    const [id = ""] = node.outputs;
    if (l.plan.windows.get(id)?.of === node.inputs[0]) return;
    copyPart(l, l.input(node, 0), node.attrs.axis, node.attrs.start, l.output(node));
  },

  split(l, node) {
    const x = l.input(node, 0);
    const axis = node.attrs.axis < 0 ? node.attrs.axis + x.shape.length : node.attrs.axis;
    let start: Dim = 0;
    for (const [i] of node.outputs.entries()) {
      const out = l.output(node, i);
      copyPart(l, x, axis, start, out);
      start = addDims(start, out.shape[axis] ?? 0);
    }
  },

  slice(l, node) {
    const x = l.input(node, 0);
    const out = l.output(node);
    const starts = intsOf(l.graph, node.inputs[1]);
    const rank = x.shape.length;
    const axes = node.inputs[3] == null ? starts?.map((_, i) => i) : plainIntsOf(l.graph, node.inputs[3]);
    const steps = node.inputs[4] == null ? starts?.map(() => 1) : plainIntsOf(l.graph, node.inputs[4]);
    if (starts === undefined || axes === undefined || steps === undefined) {
      throw new UnsupportedOp("bounds that are computed at run time");
    }
    const strides = [...stridesOf(x)];
    let offset = x.offset;
    for (const [i, given] of axes.entries()) {
      const axis = given < 0 ? given + rank : given;
      const step = steps[i] ?? 1;
      if (step < 1) throw new UnsupportedOp(`a step of ${step}`);
      const stride = strides[axis] ?? 0;
      offset = addDims(offset, mulDims(sliceStart(starts[i] ?? 0, x.shape[axis] ?? 1), stride));
      strides[axis] = mulDims(stride, step);
    }
    const from = strideOperand({ ...x, offset }, strides);
    launchStrided(l, input(0), [from], strideOperand(out, stridesOf(out)), out.shape);
  },

  concat(l, node) {
    if (node.outputs.some((id) => l.plan.scattered.has(id))) return;
    const out = l.output(node);
    const axis = node.attrs.axis < 0 ? node.attrs.axis + out.shape.length : node.attrs.axis;
    const stride = stridesOf(out)[axis] ?? 1;
    let start: Dim = 0;
    for (const [i] of node.inputs.entries()) {
      const x = l.input(node, i);
      // What all steps share, each of them gets.
      const shape = out.shape.map((d, i) => (i === axis ? (x.shape[i] ?? 1) : d));
      const to: Operand = { ...out, offset: addDims(out.offset, mulDims(start, stride)), shape };
      if (!isSamePlace(x, to, axis)) copyInto(l, x, to, out);
      start = addDims(start, x.shape[axis] ?? 0);
    }
  },

  tile(l, node) {
    const x = l.input(node, 0);
    const out = l.output(node);
    const [from, to] = [stridesOf(x), stridesOf(out)];
    // Axis d becomes [repeats, d]: the input does not move along the first.
    const shape: Dim[] = [];
    const [inStrides, outStrides]: [Dim[], Dim[]] = [[], []];
    for (const [axis, size] of x.shape.entries()) {
      const repeats = divDims(out.shape[axis] ?? 1, size);
      if (repeats === undefined) throw new UnsupportedOp("repeats that are computed at run time");
      shape.push(repeats, size);
      inStrides.push(0, from[axis] ?? 0);
      outStrides.push(mulDims(to[axis] ?? 0, size), to[axis] ?? 0);
    }
    launchStrided(l, input(0), [strideOperand(x, inStrides)], strideOperand(out, outStrides), shape);
  },

  pad(l, node) {
    const x = l.input(node, 0);
    const out = l.output(node);
    const pads = intsOf(l.graph, node.inputs[1]);
    const rank = x.shape.length;
    const axes = node.inputs[3] == null ? x.shape.map((_, i) => i) : plainIntsOf(l.graph, node.inputs[3]);
    const value = node.inputs[2] == null ? 0 : scalarOf(l.graph, node.inputs[2]);
    if (node.attrs.mode !== "constant") throw new UnsupportedOp(`padding by ${node.attrs.mode}`);
    if (pads === undefined || axes === undefined || value === undefined) {
      throw new UnsupportedOp("pads that are computed at run time");
    }
    if (pads.some((pad) => typeof pad === "number" && pad < 0)) throw new UnsupportedOp("negative pads");
    fill(l, out, value);
    const strides = stridesOf(out);
    let { offset } = out;
    for (const [i, axis] of axes.entries()) {
      offset = addDims(offset, mulDims(pads[i] ?? 0, strides[axis < 0 ? axis + rank : axis] ?? 0));
    }
    const to = strideOperand({ ...out, offset }, strides);
    launchStrided(l, input(0), [strideOperand(x, stridesOf(x))], to, x.shape);
  },

  "constant-of-shape": (l, node) => fill(l, l.output(node), node.attrs.value),
};

function fill(l: Lowering, out: Operand, value: number): void {
  const type = out.dtype === "f32" || out.dtype === "i32" ? out.dtype : "u32";
  launchElementwise(l, constant(value, type), [], out);
}

function lowerReshape(l: Lowering, node: Node): void {
  const [id = ""] = node.outputs;
  const [source] = node.inputs;
  if (l.plan.windows.get(id)?.of === source) return;
  const shape = l.output(node).shape;
  aliasOrCopy(l, id, reinterpret(l, l.input(node, 0), shape));
}

function copyPart(l: Lowering, x: Operand, axis: number, start: Dim, out: Operand): void {
  const strides = stridesOf(x);
  const offset = addDims(x.offset, mulDims(start, strides[axis] ?? 0));
  const from = strideOperand({ ...x, offset }, strides);
  launchStrided(l, input(0), [from], strideOperand(out, stridesOf(out)), out.shape);
}

/** Copies into a window of `whole` whose axes keep the strides of the whole. */
function copyInto(l: Lowering, from: Operand, to: Operand, whole: Operand): void {
  if (from.buffer === to.buffer) {
    const between = l.temporary(from.dtype, from.shape);
    copy(l, from, between);
    copyInto(l, between, to, whole);
    return;
  }
  const target = strideOperand(to, stridesOf(whole));
  launchStrided(l, input(0), [broadcast(from, to.shape)], target, to.shape);
}

/** Whether an operand of a concat was written where it belongs. */
function isSamePlace(x: Operand, to: Operand, axis: number): boolean {
  const oneBlock = axis === x.shape.length - 1 || x.shape.slice(0, axis).every((d) => d === 1);
  const spaced = x.rowStride === to.rowStride || rowsOf(x.shape) === 1;
  return oneBlock && spaced && x.buffer === to.buffer && x.offset === to.offset;
}

/** A start bound as an index from the front; negative ones count from the end. */
function sliceStart(start: Dim, size: Dim): Dim {
  if (typeof start !== "number") return start;
  if (start >= 0) return typeof size === "number" ? Math.min(start, size) : start;
  const shifted: Shape[number] = addDims(start, size);
  return typeof shifted === "number" ? Math.max(0, shifted) : shifted;
}
