import {
  each,
  floats,
  given,
  image,
  ints,
  ints1,
  list,
  type OperatorCase,
  operator,
  positive,
  x,
} from "./case.js";

const REDUCTIONS =
  "ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSumExp ReduceSumSquare";

export const NORMS: readonly OperatorCase[] = [
  ...each(REDUCTIONS, (op) => operator(op, [x, list(-1, 0)])),
  ...each(REDUCTIONS, (op) => operator(op, [x], { axes: ints1(1), keepdims: { i: 0 } }, { opset: 13 })),
  operator("ReduceLogSum", [positive, list(1)]),
  operator("ReduceSum", [x, list(1)], { keepdims: { i: 0 } }),
  operator("ReduceSum", [x]),
  operator("ReduceSum", [x], { noop_with_empty_axes: { i: 1 } }),
  operator("ReduceSum", [x], { axes: ints1(-1) }, { opset: 11 }),
  operator("ReduceMax", [ints, list(1)]),
  ...each("ArgMax ArgMin", (op) => operator(op, [x], { axis: { i: -1 }, keepdims: { i: 0 } })),
  operator("ArgMax", [given("f32", [4], [1, 3, 3, 2])], { select_last_index: { i: 1 } }),
  ...each("Softmax LogSoftmax Hardmax", (op) => operator(op, [x], { axis: { i: 1 } })),
  ...each("Softmax LogSoftmax", (op) => operator(op, [x], {}, { opset: 11 })),
  operator("LayerNormalization", [x, floats([4]), floats([4])]),
  operator("LayerNormalization", [x, floats([3, 4])], { axis: { i: 1 }, epsilon: { f: 0.01 } }),
  operator("LayerNormalization", [x, floats([4]), floats([4])], {}, { outputs: 3 }),
  operator("RMSNormalization", [x, floats([4])], { epsilon: { f: 0.01 } }, { opset: 23 }),
  operator("InstanceNormalization", [image, floats([4]), floats([4])]),
  operator("GroupNormalization", [image, floats([4]), floats([4])], { num_groups: { i: 2 } }, { opset: 21 }),
  operator("BatchNormalization", [image, floats([4]), floats([4]), floats([4]), floats([4], 0.5, 2)]),
  operator("LpNormalization", [x], { axis: { i: 1 }, p: { i: 1 } }),
  operator("LpNormalization", [x]),
  operator("MeanVarianceNormalization", [image]),
];
