import { addDims } from "../../../ir/dim.js";
import { ONNX_TYPE } from "../format.js";
import type { Section } from "../operands.js";
import { scalarProto } from "../scalar-proto.js";
import { flag } from "../writer.js";

/** Elements moved, repeated or made by their place. */
export const shapes: Section<"shapes"> = {
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
  tile: (n) => n.op("Tile", n.rest()),
  pad: (n, { mode }) => n.op("Pad", n.rest(), { mode: { string: mode } }),
  "constant-of-shape": (n, { value, dtype }) =>
    n.op("ConstantOfShape", [n.input(0)], { value: { tensor: scalarProto(value, dtype) } }),
  range: (n) => n.op("Range", n.rest()),
  trilu: (n, { upper }) => n.op("Trilu", n.rest(), { upper: flag(upper) }),
  "eye-like": (n, { k, dtype }) =>
    n.op("EyeLike", [n.input(0)], {
      k: { int: k },
      ...(dtype === null ? {} : { dtype: { int: ONNX_TYPE[dtype] } }),
    }),
  "depth-to-space": (n, { blockSize, mode }) =>
    n.op("DepthToSpace", [n.input(0)], { blocksize: { int: blockSize }, mode: { string: mode } }),
  "space-to-depth": (n, { blockSize }) =>
    n.op("SpaceToDepth", [n.input(0)], { blocksize: { int: blockSize } }),
};
