import { describe } from "vitest";
import { bool, type Case, check, f32, i64, of, scalar, whole } from "./onnx-case.js";

const MAX = 2 ** 31 - 1;
const i = (v: number) => ({ i: v });
const ints = (...v: number[]) => ({ ints: v });

/** Each case on f32 data and on the other cell widths: copies must not depend on the dtype. */
function everyWidth(
  op: string,
  shape: number[],
  rest: readonly ReturnType<typeof f32>[],
  attrs: Case["attrs"] = {},
): Case[] {
  const operands = [f32(...shape), whole("i64", -99, 99, ...shape), bool(...shape)];
  return operands.map((x) => ({ op, inputs: [x, ...rest], attrs }));
}

describe("shapes", () => {
  check([
    { op: "Shape", inputs: [f32(2, 3, 5)], out: ["i64"] },
    { op: "Shape", inputs: [f32(2, 3, 5)], out: ["i64"], attrs: { start: i(-2) } },
    { op: "Shape", inputs: [f32(2, 3, 5)], out: ["i64"], attrs: { start: i(1), end: i(-1) } },
    { op: "Shape", inputs: [f32(2, 3, 5)], out: ["i64"], attrs: { start: i(-9), end: i(9) } },
    { op: "Size", inputs: [f32(2, 3, 5)], out: ["i64"] },
    ...everyWidth("Reshape", [2, 3, 4], [i64(4, -1)]),
    ...everyWidth("Reshape", [2, 3, 4], [i64(0, 0, 2, 2)]),
    { op: "Reshape", inputs: [f32(0, 3), i64(0, 5)], attrs: { allowzero: i(1) } },
    { op: "Reshape", inputs: [f32(1), of("i64", [0], [])] },
    ...everyWidth("Expand", [3, 1], [i64(2, 1, 4)]),
    ...everyWidth("Expand", [3, 4], [i64(1, 1)]),
    ...everyWidth("Squeeze", [1, 3, 1, 4], [i64(0, -2)]),
    ...everyWidth("Squeeze", [1, 3, 1, 4], []),
    ...everyWidth("Unsqueeze", [3, 4], [i64(0, -1)]),
    ...everyWidth("Unsqueeze", [3, 4], [i64(3, 1)]),
    ...[-2, 0, 1, 2, 3].flatMap((axis) => everyWidth("Flatten", [2, 3, 4], [], { axis: i(axis) })),
    ...everyWidth("Transpose", [2, 3, 5], []),
    ...[
      [0, 2, 1],
      [1, 0, 2],
      [2, 0, 1],
      [1, 2, 0],
    ].flatMap((perm) => everyWidth("Transpose", [2, 3, 5], [], { perm: ints(...perm) })),
    ...everyWidth("Transpose", [2, 3, 1, 20], [], { perm: ints(1, 2, 0, 3) }),
    { op: "Concat", inputs: [f32(2, 3), f32(2, 1), f32(2, 5)], attrs: { axis: i(-1) } },
    { op: "Concat", inputs: [f32(2, 3), f32(1, 3)], attrs: { axis: i(0) } },
    { op: "Concat", inputs: [whole("i64", 0, 9, 2, 0), whole("i64", 0, 9, 2, 2)], attrs: { axis: i(1) } },
    { op: "Concat", inputs: [bool(2, 3, 2), bool(2, 1, 2)], attrs: { axis: i(1) } },
    { op: "Split", inputs: [f32(2, 7), i64(2, 4, 1)], attrs: { axis: i(1) }, out: ["f32", "f32", "f32"] },
    {
      op: "Split",
      inputs: [f32(7, 2)],
      attrs: { axis: i(-2), num_outputs: i(3) },
      out: ["f32", "f32", "f32"],
    },
    { op: "Split", inputs: [f32(6, 2)], opset: 13, out: ["f32", "f32"] },
    {
      op: "Split",
      inputs: [whole("i64", 0, 9, 6, 2)],
      opset: 11,
      attrs: { split: ints(1, 5) },
      out: ["i64", "i64"],
    },
    ...everyWidth("Slice", [5, 7], [i64(1, -3), i64(4, MAX)]),
    ...everyWidth("Slice", [5, 7], [i64(-1), i64(-MAX), i64(1), i64(-2)]),
    ...everyWidth("Slice", [5, 7], [i64(4, 0), i64(0, 7), i64(0, -1), i64(-1, 3)]),
    { op: "Slice", inputs: [f32(5, 7), i64(4), i64(2), i64(1)] },
    { op: "Slice", inputs: [f32(5, 7), i64(-99), i64(99), i64(0), i64(2)] },
    { op: "Slice", inputs: [f32(5, 7), of("i32", [1], [1]), of("i32", [1], [3])] },
    ...everyWidth("Tile", [2, 3], [i64(2, 3)]),
    ...everyWidth("Tile", [2, 1, 3], [i64(1, 4, 1)]),
    { op: "Tile", inputs: [f32(2, 3), i64(0, 1)] },
    { op: "ConstantOfShape", inputs: [i64(2, 3)], out: ["f32"] },
    { op: "ConstantOfShape", inputs: [of("i64", [0], [])], out: ["f32"] },
    { op: "Range", inputs: [scalar("i64", 2), scalar("i64", 11), scalar("i64", 3)] },
    { op: "Range", inputs: [scalar("i64", 5), scalar("i64", -5), scalar("i64", -2)] },
    { op: "Range", inputs: [scalar("f32", 0.5), scalar("f32", 3), scalar("f32", 0.4)] },
    { op: "Range", inputs: [scalar("i32", 5), scalar("i32", 5), scalar("i32", 1)] },
    ...[-2, 0, 1, 9].flatMap((k) =>
      [0, 1].flatMap((upper) => everyWidth("Trilu", [2, 3, 5], [scalar("i64", k)], { upper: i(upper) })),
    ),
    { op: "Trilu", inputs: [f32(4, 3)] },
    { op: "EyeLike", inputs: [f32(3, 4)], attrs: { k: i(1) } },
    { op: "EyeLike", inputs: [f32(4, 3)], attrs: { k: i(-1), dtype: i(7) }, out: ["i64"] },
    { op: "DepthToSpace", inputs: [f32(2, 8, 3, 5)], attrs: { blocksize: i(2) } },
    { op: "DepthToSpace", inputs: [f32(1, 18, 3, 2)], attrs: { blocksize: i(3), mode: { s: "CRD" } } },
    { op: "SpaceToDepth", inputs: [f32(2, 3, 4, 6)], attrs: { blocksize: i(2) } },
  ]);
});

describe("gather and scatter", () => {
  check([
    ...everyWidth("Gather", [4, 3, 5], [whole("i64", -4, 3, 2, 2)]),
    ...everyWidth("Gather", [4, 3, 20], [whole("i64", -3, 2, 2)], { axis: i(1) }),
    ...everyWidth("Gather", [4, 3], [scalar("i64", -1)], { axis: i(-1) }),
    { op: "Gather", inputs: [f32(4, 3), of("i32", [3], [0, 2, 1])], attrs: { axis: i(1) } },
    ...everyWidth("GatherElements", [3, 4], [whole("i64", -4, 3, 2, 5)], { axis: i(1) }),
    ...everyWidth("GatherElements", [3, 4, 2], [whole("i64", -3, 2, 5, 2, 1)], { axis: i(0) }),
    ...everyWidth("GatherND", [3, 4, 5], [whole("i64", -3, 2, 2, 3, 2)]),
    ...everyWidth("GatherND", [3, 4, 5], [whole("i64", -3, 2, 2, 1)]),
    ...everyWidth("GatherND", [3, 4, 5], [whole("i64", 0, 2, 3, 2, 1)], { batch_dims: i(1) }),
    ...everyWidth("GatherND", [2, 3, 4, 5], [whole("i64", 0, 3, 2, 3, 2)], { batch_dims: i(2) }),
    {
      op: "ScatterElements",
      inputs: [f32(3, 5), of("i64", [2, 2], [0, -1, 2, 1]), f32(2, 2)],
      attrs: { axis: i(1) },
    },
    {
      op: "ScatterElements",
      inputs: [whole("i64", 0, 9, 3, 5), of("i64", [1, 2], [2, -3]), whole("i64", 10, 20, 1, 2)],
    },
    ...["add", "mul", "max", "min"].flatMap((reduction): Case[] => [
      {
        op: "ScatterElements",
        inputs: [f32(3, 5), of("i64", [2, 3], [0, 0, 2, 1, 1, 1]), f32(2, 3)],
        attrs: { axis: i(1), reduction: { s: reduction } },
      },
      {
        op: "ScatterND",
        inputs: [f32(4, 5), of("i64", [3, 1], [1, 1, 3]), f32(3, 5)],
        attrs: { reduction: { s: reduction } },
      },
      {
        op: "ScatterND",
        inputs: [whole("i64", -9, 9, 4, 5), of("i64", [3, 2], [1, 1, 1, 1, 0, 2]), whole("i64", -9, 9, 3)],
        attrs: { reduction: { s: reduction } },
      },
    ]),
    { op: "ScatterND", inputs: [f32(4, 5, 6), of("i64", [2, 2, 1], [0, 2, 3, 1]), f32(2, 2, 5, 6)] },
    { op: "ScatterND", inputs: [bool(4, 5), of("i64", [2, 2], [0, 2, 3, -1]), bool(2)] },
    { op: "NonZero", inputs: [bool(3, 5)], out: ["i64"] },
    { op: "NonZero", inputs: [whole("i64", 0, 1, 2, 3, 4)], out: ["i64"] },
    { op: "OneHot", inputs: [whole("i64", -6, 5, 2, 3), scalar("i64", 6), f32(2)], out: ["f32"] },
    {
      op: "OneHot",
      inputs: [whole("i64", -9, 9, 2, 3), scalar("i64", 5), i64(2, 7)],
      out: ["i64"],
      attrs: { axis: i(1) },
    },
    { op: "Compress", inputs: [f32(3, 5), bool(3)], attrs: { axis: i(0) } },
    { op: "Compress", inputs: [f32(3, 5), bool(4)], attrs: { axis: i(-1) } },
    { op: "Compress", inputs: [whole("i64", 0, 99, 3, 5), bool(15)] },
  ]);
});

describe("pad", () => {
  check([
    ...everyWidth("Pad", [3, 4], [i64(1, 0, 2, 3)]),
    { op: "Pad", inputs: [f32(3, 4), i64(1, 0, 2, 3), scalar("f32", 1.5)] },
    { op: "Pad", inputs: [f32(5, 4), i64(-1, 2, -2, -1), scalar("f32", 1.5)] },
    { op: "Pad", inputs: [f32(5, 4), i64(2, 1), scalar("f32", 1.5), i64(-1)] },
    ...["reflect", "edge", "wrap"].flatMap((mode) => [
      { op: "Pad", inputs: [f32(4, 5), i64(2, 1, 3, 4)], attrs: { mode: { s: mode } }, opset: 19 },
      {
        op: "Pad",
        inputs: [whole("i64", 0, 99, 4, 5), i64(0, 1, 0, 2)],
        attrs: { mode: { s: mode } },
        opset: 19,
      },
    ]),
  ]);
});
