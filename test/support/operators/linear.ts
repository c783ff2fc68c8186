import { each, floats, given, image, ints1, list, type OperatorCase, operator, scalar, x } from "./case.js";

const kernel = floats([6, 2, 3, 2]);
const window2 = { kernel_shape: ints1(3, 2), strides: ints1(2, 1), pads: ints1(1, 0, 1, 1) };

export const LINEAR: readonly OperatorCase[] = [
  operator("MatMul", [x, floats([4, 5])]),
  operator("MatMul", [floats([2, 1, 3, 4]), floats([5, 4, 2])]),
  operator("MatMul", [floats([4]), floats([4])]),
  operator("Gemm", [floats([4, 3]), floats([5, 4]), floats([5])], {
    alpha: { f: 0.5 },
    beta: { f: 2 },
    transA: { i: 1 },
    transB: { i: 1 },
  }),
  operator("Gemm", [floats([3, 4]), floats([4, 5])]),
  ...["i,j->ij", "i,j"].map((equation) =>
    operator("Einsum", [floats([3]), floats([4])], { equation: { s: equation } }),
  ),
  operator("Einsum", [x, floats([2, 5, 4])], { equation: { s: "bij, bkj -> bik" } }),
  operator("Einsum", [x, floats([2, 5, 4])], { equation: { s: "...ij,...kj->...ki" } }),
  operator("MatMulInteger", [
    given("u8", [2, 3], [200, 3, 4, 5, 6, 255]),
    given("i8", [3, 2], [1, -2, 3, -128, 127, 6]),
    scalar("u8", 128),
  ]),
  operator("Conv", [image, kernel, floats([6])], { ...window2, group: { i: 2 } }, { constant: [1] }),
  operator("Conv", [image, floats([3, 4, 3, 3])], { auto_pad: { s: "SAME_UPPER" } }, { constant: [1] }),
  operator("Conv", [image, floats([3, 4, 2, 2])], { dilations: ints1(2, 3), kernel_shape: ints1(2, 2) }),
  operator("ConvTranspose", [image, floats([4, 3, 3, 2]), floats([3])], {
    ...window2,
    output_padding: ints1(1, 0),
  }),
  operator("MaxPool", [image], { ...window2, ceil_mode: { i: 1 } }),
  operator("AveragePool", [image], window2),
  operator("AveragePool", [image], { ...window2, count_include_pad: { i: 1 } }),
  ...each("GlobalAveragePool GlobalMaxPool", (op) => operator(op, [image])),
  ...["nearest", "linear", "cubic"].map((mode) =>
    operator("Resize", [image, null, given("f32", [4], [1, 1, 2, 1.5])], { mode: { s: mode } }),
  ),
  operator(
    "Resize",
    [image, null, null, list(2, 4, 3, 9)],
    {
      mode: { s: "linear" },
      coordinate_transformation_mode: { s: "align_corners" },
    },
    { constant: [3] },
  ),
  operator("Resize", [image, null, given("f32", [4], [1, 1, 2, 2])], {
    mode: { s: "nearest" },
    coordinate_transformation_mode: { s: "asymmetric" },
    nearest_mode: { s: "floor" },
  }),
  operator("Resize", [image, given("f32", [4], [1, 1, 2, 3])], { mode: { s: "nearest" } }, { opset: 10 }),
  operator("Upsample", [image, given("f32", [4], [1, 1, 2, 3])], { mode: { s: "nearest" } }, { opset: 9 }),
];
