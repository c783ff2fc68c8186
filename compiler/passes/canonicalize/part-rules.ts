import { addDims, type Dim, subDims } from "../../../ir/dim.js";
import type { ValueId } from "../../../ir/graph/graph.js";
import { sliceExtent } from "../../../ir/ops/slice.js";
import { countOf } from "../../../ir/tensor.js";
import type { GraphEditor } from "../../rewrite/graph-editor.js";
import { intsConstant, intsOf, plainIntsOf } from "../../rewrite/values.js";
import { reshapeTo } from "./reshape-rules.js";
import { becomes, normalAxis, operand, type Rule, resultOf, rule } from "./rule.js";

/** x[start, start + length) of an axis; x itself if that is all of it. */
function partOf(edit: GraphEditor, x: ValueId, axis: number, start: Dim, length: Dim): ValueId {
  if (start === 0 && edit.type(x).shape?.[axis] === length) return x;
  return edit.add("part", [x], { axis, start, length });
}

/** First of consecutive indices, or undefined. */
function firstOfRun(indices: readonly Dim[], size: Dim): Dim | undefined {
  const [first] = indices;
  if (first === undefined) return undefined;
  const negative = typeof first === "number" && first < 0;
  const start = negative ? addDims(first, size) : first;
  const consecutive = indices.every((d, i) => subDims(d, first) === i);
  const wraps = negative && typeof first === "number" && first + indices.length > 0;
  return consecutive && !wraps ? start : undefined;
}

/** Whether a bias is added to a value of this width, and nothing else done with it. 1 + a modulation's scale is none. */
function isBiased(edit: GraphEditor, id: ValueId, width: Dim): boolean {
  const [reader] = edit.consumers(id);
  if (!edit.usedOnce(id) || reader?.op !== "binary" || reader.attrs.fn !== "add") return false;
  return reader.inputs.some((input) => edit.constants.get(input ?? "")?.shape.at(-1) === width);
}

interface AxisSlice {
  readonly axis: number;
  readonly start: Dim;
  readonly end: Dim;
  readonly step: number;
}

export const PART_RULES: readonly Rule[] = [
  // gather(x, [i, i+1, …, j], axis) = part(x, axis, i, j+1−i); a scalar index also drops the axis
  rule("gather-to-part", "gather", (node, edit) => {
    const x = operand(node, 0);
    const indices = intsOf(edit, node.inputs[1]);
    const from = edit.type(x).shape;
    const to = edit.type(resultOf(node)).shape;
    if (indices === undefined || from === null || to === null) return false;
    const axis = normalAxis(node.attrs.axis, from.length);
    const start = firstOfRun(indices, from[axis] ?? 1);
    if (start === undefined) return false;
    return becomes(edit, node, reshapeTo(edit, partOf(edit, x, axis, start, indices.length), to));
  }),

  // gather-nd(x, i[..., 1]) = gather(x, i[...], 0)
  rule("gather-nd-to-gather", "gather-nd", (node, edit) => {
    const indices = edit.constants.get(operand(node, 1));
    if (indices === undefined || indices.shape.at(-1) !== 1 || node.attrs.batchDims !== 0) return false;
    const flat = reshapeTo(edit, operand(node, 1), indices.shape.slice(0, -1));
    return becomes(edit, node, edit.add("gather", [operand(node, 0), flat], { axis: 0 }));
  }),

  // gather-nd(x[m, n, …], i[..., 2]) = gather-nd(reshape(x, [m·n, …]), (i₀·n + i₁)[..., 1]), and so on for more axes
  rule("flat-gather-nd", "gather-nd", (node, edit) => {
    const { shape } = edit.type(operand(node, 0));
    const to = edit.constants.get(operand(node, 1))?.shape;
    const depth = to?.at(-1) ?? 0;
    const indices = plainIntsOf(edit, node.inputs[1]);
    const sizes = shape?.slice(0, depth).map(Number);
    if (depth < 2 || node.attrs.batchDims !== 0 || to === undefined || indices === undefined) return false;
    if (sizes === undefined || sizes.some(Number.isNaN)) return false;
    const flat = Array.from({ length: indices.length / depth }, (_, row) =>
      sizes.reduce((at, size, axis) => {
        const index = indices[row * depth + axis] ?? 0;
        return at * size + (index < 0 ? index + size : index);
      }, 0),
    );
    const x = reshapeTo(edit, operand(node, 0), [countOf(sizes), ...(shape ?? []).slice(depth)]);
    const list = reshapeTo(edit, edit.ints(flat), to.with(-1, 1));
    return becomes(edit, node, edit.add("gather-nd", [x, list], node.attrs));
  }),

  // slice(x, a, b, axes, steps = 1) = part(… part(x, axes[0], a₀, b₀ − a₀) …); axes with other steps stay a slice
  rule("slice-to-parts", "slice", (node, edit) => {
    const x = operand(node, 0);
    const { shape } = edit.type(x);
    const slices = axisSlices(node.inputs, edit, shape?.length);
    if (shape === null || slices === undefined) return false;
    const strided = slices.filter((s) => s.step !== 1);
    if (strided.length === slices.length) return false;
    let value = x;
    for (const { axis, start, end, step } of slices) {
      if (step !== 1) continue;
      const extent = sliceExtent(shape[axis] ?? 1, start, end, 1);
      if (extent === undefined) return false;
      value = partOf(edit, value, axis, extent.start, extent.length);
    }
    return becomes(edit, node, strided.length === 0 ? value : slicedBy(edit, value, strided));
  }),

  // slice(x, a, b, [−1], s) = slice(x, a, b, [n−1], s)
  rule("explicit-slice", "slice", (node, edit) => {
    const x = operand(node, 0);
    const rank = edit.type(x).shape?.length;
    const slices = axisSlices(node.inputs, edit, rank);
    const axes = plainIntsOf(edit, node.inputs[3]);
    const explicit = axes?.every((a) => a >= 0) && node.inputs.length === 5;
    if (slices === undefined || explicit === true) return false;
    return becomes(edit, node, slicedBy(edit, x, slices));
  }),

  // split(x, [a, b, …], axis) = part(x, axis, 0, a), part(x, axis, a, b), …
  rule("split-to-parts", "split", (node, edit) => {
    const x = operand(node, 0);
    const { shape } = edit.type(x);
    if (shape === null) return false;
    const axis = normalAxis(node.attrs.axis, shape.length);
    const lengths = node.outputs.map((id) => edit.type(id).shape?.[axis]);
    if (lengths.includes(undefined)) return false;
    let start: Dim = 0;
    let used = false;
    for (const [i, id] of node.outputs.entries()) {
      const length = lengths[i] ?? 0;
      // A part that nothing reads would only look like a use of x.
      const read = edit.isRead(id);
      if (read) edit.replaceUses(id, partOf(edit, x, axis, start, length));
      start = addDims(start, length);
      used ||= read;
    }
    return used;
  }),

  // part(x, axis, 0, size of the axis) = x
  rule("drop-part", "part", (node, edit) => {
    const { axis, start, length } = node.attrs;
    const x = operand(node, 0);
    return start === 0 && edit.type(x).shape?.[axis] === length && becomes(edit, node, x);
  }),

  // part(part(x, axis, a, m), axis, b, n) = part(x, axis, a + b, n)
  rule("merge-parts", "part", (node, edit) => {
    const inner = edit.producerOf(node.inputs[0], "part");
    if (inner === undefined || inner.attrs.axis !== node.attrs.axis) return false;
    const start = addDims(inner.attrs.start, node.attrs.start);
    return becomes(edit, node, partOf(edit, operand(inner, 0), node.attrs.axis, start, node.attrs.length));
  }),

  // part(x·W, columns a to b) + c = x·part(W, columns a to b) + c for constants W and c
  rule("part-of-product", "part", (node, edit) => {
    const product = edit.producerOf(node.inputs[0], "matmul");
    const weight = edit.constants.get(product?.inputs[1] ?? "");
    const { axis, start, length } = node.attrs;
    const rank = edit.type(operand(node, 0)).shape?.length;
    if (product === undefined || weight?.shape.length !== 2 || rank === undefined || axis !== rank - 1)
      return false;
    if (rank < 2 || !isBiased(edit, resultOf(node), length)) return false;
    const columns = edit.add("part", [operand(product, 1)], { axis: 1, start, length });
    return becomes(edit, node, edit.add("matmul", [operand(product, 0), columns], {}));
  }),

  // part(concat(x, y, z), axis, |x|, |y|) = y
  rule("part-of-concat", "part", (node, edit) => {
    const joined = edit.producerOf(node.inputs[0], "concat");
    const { axis, start, length } = node.attrs;
    if (joined === undefined) return false;
    const rank = edit.type(operand(node, 0)).shape?.length ?? 0;
    if (normalAxis(joined.attrs.axis, rank) !== axis) return false;
    const end = addDims(start, length);
    const covered: ValueId[] = [];
    let at: Dim = 0;
    for (const id of joined.inputs) {
      if (id === null) return false;
      const size = edit.type(id).shape?.[axis];
      if (size === undefined) return false;
      if (covered.length > 0 || at === start) covered.push(id);
      at = addDims(at, size);
      if (covered.length === 0 || at !== end) continue;
      const [only] = covered;
      return becomes(
        edit,
        node,
        covered.length === 1 && only !== undefined ? only : edit.add("concat", covered, { axis }),
      );
    }
    return false;
  }),
];

function axisSlices(
  inputs: readonly (ValueId | null)[],
  edit: GraphEditor,
  rank: number | undefined,
): readonly AxisSlice[] | undefined {
  const [, startId, endId, axesId, stepId] = inputs;
  const [starts, ends] = [intsOf(edit, startId), intsOf(edit, endId)];
  const axes = axesId ? plainIntsOf(edit, axesId) : starts?.map((_, i) => i);
  const steps = stepId ? plainIntsOf(edit, stepId) : starts?.map(() => 1);
  if (!starts || !ends || !axes || !steps || rank === undefined) return undefined;
  return starts.map((start, i) => ({
    axis: normalAxis(axes[i] ?? i, rank),
    start,
    end: ends[i] ?? 0,
    step: steps[i] ?? 1,
  }));
}

function slicedBy(edit: GraphEditor, x: ValueId, slices: readonly AxisSlice[]): ValueId {
  const list = (pick: (s: AxisSlice) => Dim) => edit.constant(intsConstant(slices.map(pick)), "ints");
  const operands = [list((s) => s.start), list((s) => s.end), list((s) => s.axis), list((s) => s.step)];
  return edit.add("slice", [x, ...operands], {});
}
