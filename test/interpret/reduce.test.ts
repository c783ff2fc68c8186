import { describe } from "vitest";
import { between, type Case, check, f32, f64, i64, of, scalar, whole } from "./onnx-case.js";

const i = (v: number) => ({ i: v });
const REDUCTIONS = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"];

describe("reductions", () => {
  check([
    ...REDUCTIONS.flatMap((name): Case[] => {
      const op = `Reduce${name}`;
      const x = (...shape: number[]) => (name === "LogSum" ? between(0.1, 3, ...shape) : f32(...shape));
      return [
        { op, inputs: [x(2, 3, 5), i64(-1)] },
        { op, inputs: [x(2, 3, 5), i64(0, -1)], attrs: { keepdims: i(0) } },
        { op, inputs: [x(2, 3, 5), i64(1)] },
        { op, inputs: [x(2, 3, 5)], attrs: { keepdims: i(0) } },
        { op, inputs: [x(2, 3, 5)], attrs: { noop_with_empty_axes: i(0) } },
        { op, inputs: [x(2, 3, 5), i64(2, 0)], attrs: { keepdims: i(0) } },
        { op, inputs: [x(2, 3, 5)], opset: 11, attrs: { axes: { ints: [1, 2] }, keepdims: i(0) } },
      ];
    }),
    ...["Sum", "Max", "Min", "Prod", "Mean"].flatMap((name): Case[] => [
      { op: `Reduce${name}`, inputs: [whole("i64", -9, 9, 3, 5), i64(1)] },
      { op: `Reduce${name}`, inputs: [whole("i32", -9, 9, 3, 5), i64(0)] },
    ]),
    { op: "ReduceSum", inputs: [f32(2, 3), of("i64", [0], [])], attrs: { noop_with_empty_axes: i(1) } },
    { op: "ReduceSum", inputs: [f32(2, 0, 3), i64(1)] },
    { op: "ReduceProd", inputs: [f32(2, 0, 3), i64(1)] },
    { op: "ReduceMean", inputs: [f64(3, 4), i64(1)] },
    ...["ArgMax", "ArgMin"].flatMap((op): Case[] => [
      { op, inputs: [f32(2, 3, 5)], out: ["i64"], attrs: { axis: i(-1) } },
      { op, inputs: [f32(2, 3, 5)], out: ["i64"], attrs: { axis: i(1), keepdims: i(0) } },
      { op, inputs: [whole("i32", 0, 2, 4, 9)], out: ["i64"], attrs: { axis: i(1) } },
      {
        op,
        inputs: [whole("i32", 0, 2, 4, 9)],
        out: ["i64"],
        attrs: { axis: i(1), select_last_index: i(1) },
      },
    ]),
    ...[0, 1].flatMap((exclusive) =>
      [0, 1].flatMap((reverse): Case[] => [
        {
          op: "CumSum",
          inputs: [f32(3, 5), scalar("i64", -1)],
          attrs: { exclusive: i(exclusive), reverse: i(reverse) },
        },
        {
          op: "CumSum",
          inputs: [whole("i64", -9, 9, 3, 5, 2), scalar("i32", 1)],
          attrs: { exclusive: i(exclusive), reverse: i(reverse) },
        },
      ]),
    ),
    { op: "TopK", inputs: [f32(3, 9), i64(4)], out: ["f32", "i64"] },
    { op: "TopK", inputs: [f32(3, 9, 2), i64(4)], out: ["f32", "i64"], attrs: { axis: i(1), largest: i(0) } },
    { op: "TopK", inputs: [whole("i64", 0, 3, 3, 9), i64(5)], out: ["i64", "i64"] },
  ]);
});

describe("normalizations", () => {
  check([
    { op: "Softmax", inputs: [f32(2, 3, 5)] },
    { op: "Softmax", inputs: [f32(2, 3, 5)], attrs: { axis: i(0) } },
    { op: "Softmax", inputs: [f32(2, 3, 5)], attrs: { axis: i(1) } },
    { op: "LogSoftmax", inputs: [f32(2, 3, 5)], attrs: { axis: i(1) } },
    { op: "Softmax", inputs: [f32(2, 3, 5)], opset: 11, attrs: { axis: i(1) } },
    { op: "LogSoftmax", inputs: [f32(2, 3, 5)], opset: 11, attrs: { axis: i(1) } },
    { op: "Softmax", inputs: [of("f32", [2, 2], [-Infinity, 1, 1e30, -1e30])] },
    { op: "Hardmax", inputs: [f32(2, 3, 5)] },
    { op: "LayerNormalization", inputs: [f32(2, 3, 5), f32(5), f32(5)] },
    { op: "LayerNormalization", inputs: [f32(2, 3, 5), f32(5)], attrs: { epsilon: { f: 0.1 } } },
    {
      op: "LayerNormalization",
      inputs: [f32(2, 3, 5), f32(3, 5), f32(3, 5)],
      attrs: { axis: i(-2) },
      out: ["f32", "f32", "f32"],
    },
    { op: "RMSNormalization", inputs: [f32(2, 3, 5), f32(5)], opset: 23 },
    { op: "SimplifiedLayerNormalization", inputs: [f32(2, 3, 5), f32(5)], attrs: { epsilon: { f: 1e-3 } } },
    { op: "InstanceNormalization", inputs: [f32(2, 3, 5, 4), f32(3), f32(3)] },
    {
      op: "GroupNormalization",
      inputs: [f32(2, 6, 5, 4), f32(6), f32(6)],
      opset: 21,
      attrs: { num_groups: i(3) },
    },
    {
      op: "GroupNormalization",
      inputs: [f32(2, 6, 5, 4), f32(3), f32(3)],
      opset: 18,
      attrs: { num_groups: i(3) },
    },
    { op: "BatchNormalization", inputs: [f32(2, 3, 5), f32(3), f32(3), f32(3), between(0.1, 2, 3)] },
    { op: "LpNormalization", inputs: [f32(2, 3, 5)], attrs: { axis: i(1), p: i(1) } },
    { op: "LpNormalization", inputs: [f32(2, 3, 5)] },
  ]);
});
