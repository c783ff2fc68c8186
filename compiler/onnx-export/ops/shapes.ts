import { addDims } from "../../../ir/dim.js";
import type { ScatterReduction } from "../../../ir/ops/index.js";
import { ONNX_TYPE } from "../format.js";
import type { Section } from "../operands.js";
import { scalarProto } from "../scalar-proto.js";
import type { Attributes } from "../writer.js";

function flag(value: boolean): { readonly int: number } {
  return { int: value ? 1 : 0 };
}

function reduction(word: ScatterReduction): Attributes {
  return { reduction: { string: word } };
}

/** Operations that move, select or make elements. */
export const shapes: Section<
  | "part"
  | "shape"
  | "size"
  | "reshape"
  | "expand"
  | "squeeze"
  | "unsqueeze"
  | "flatten"
  | "transpose"
  | "concat"
  | "split"
  | "slice"
  | "gather"
  | "gather-elements"
  | "gather-nd"
  | "scatter-elements"
  | "scatter-nd"
  | "tile"
  | "pad"
  | "constant-of-shape"
  | "range"
  | "nonzero"
  | "one-hot"
  | "trilu"
  | "eye-like"
  | "cumsum"
  | "depth-to-space"
  | "space-to-depth"
  | "topk"
  | "compress"
> = {
  part: (n, { axis, start, length }) => {
    const bounds = [n.dimensions([start]), n.dimensions([addDims(start, length)])];
    return n.op("Slice", [n.input(0), ...bounds, n.integers(axis)]);
  },
  shape: (n, { start, end }) => {
    const until = end === null ? {} : { end: { int: end } };
    return n.op("Shape", [n.input(0)], { start: { int: start }, ...until });
  },
  size: (n) => n.op("Size", [n.input(0)]),
  reshape: (n, { allowZero }) => n.op("Reshape", n.rest(), { allowzero: flag(allowZero) }),
  expand: (n) => n.op("Expand", n.rest()),
  squeeze: (n) => n.op("Squeeze", n.rest()),
  unsqueeze: (n) => n.op("Unsqueeze", n.rest()),
  flatten: (n, { axis }) => n.op("Flatten", [n.input(0)], { axis: { int: axis } }),
  transpose: (n, { perm }) => n.op("Transpose", [n.input(0)], perm === null ? {} : { perm: { ints: perm } }),
  concat: (n, { axis }) => n.op("Concat", n.rest(), { axis: { int: axis } }),
  split: (n, { axis }) => {
    const count = n.node.outputs.length;
    const equal = n.has(1) ? {} : { num_outputs: { int: count } };
    return n.writer.many("Split", n.rest(), count, { axis: { int: axis }, ...equal });
  },
  slice: (n) => n.op("Slice", n.rest()),
  gather: (n, { axis }) => n.op("Gather", n.rest(), { axis: { int: axis } }),
  "gather-elements": (n, { axis }) => n.op("GatherElements", n.rest(), { axis: { int: axis } }),
  "gather-nd": (n, { batchDims }) => n.op("GatherND", n.rest(), { batch_dims: { int: batchDims } }),
  "scatter-elements": (n, attrs) =>
    n.op("ScatterElements", n.rest(), { axis: { int: attrs.axis }, ...reduction(attrs.reduction) }),
  "scatter-nd": (n, attrs) => n.op("ScatterND", n.rest(), reduction(attrs.reduction)),
  tile: (n) => n.op("Tile", n.rest()),
  pad: (n, { mode }) => n.op("Pad", n.rest(), { mode: { string: mode } }),
  "constant-of-shape": (n, { value, dtype }) =>
    n.op("ConstantOfShape", [n.input(0)], { value: { tensor: scalarProto(value, dtype) } }),
  range: (n) => n.op("Range", n.rest()),
  nonzero: (n) => n.op("NonZero", [n.input(0)]),
  "one-hot": (n, { axis }) => n.op("OneHot", n.rest(), { axis: { int: axis } }),
  trilu: (n, { upper }) => n.op("Trilu", n.rest(), { upper: flag(upper) }),
  "eye-like": (n, { k, dtype }) =>
    n.op("EyeLike", [n.input(0)], {
      k: { int: k },
      ...(dtype === null ? {} : { dtype: { int: ONNX_TYPE[dtype] } }),
    }),
  cumsum: (n, { exclusive, reverse }) =>
    n.op("CumSum", n.rest(), { exclusive: flag(exclusive), reverse: flag(reverse) }),
  "depth-to-space": (n, { blockSize, mode }) =>
    n.op("DepthToSpace", [n.input(0)], { blocksize: { int: blockSize }, mode: { string: mode } }),
  "space-to-depth": (n, { blockSize }) =>
    n.op("SpaceToDepth", [n.input(0)], { blocksize: { int: blockSize } }),
  topk: (n, { axis, largest, sorted }) => {
    // k is a vector of one element.
    const k = n.rank(1) === 1 ? n.input(1) : n.reshape(n.input(1), [1]);
    return n.writer.many("TopK", [n.input(0), k], n.node.outputs.length, {
      axis: { int: axis },
      largest: flag(largest),
      sorted: flag(sorted),
    });
  },
  compress: (n, { axis }) => n.op("Compress", n.rest(), axis === null ? {} : { axis: { int: axis } }),
};
