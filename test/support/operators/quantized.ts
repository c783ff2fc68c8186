import { floats, given, type OperatorCase, operator, scalar } from "./case.js";

const codes = given(
  "i8",
  [4, 6],
  Array.from({ length: 24 }, (_, i) => ((i * 37) % 255) - 127),
);

export const QUANTIZED: readonly OperatorCase[] = [[], [0, 1, 2]].flatMap((constant) => [
  operator("DequantizeLinear", [codes, scalar("f32", 0.25), scalar("i8", 3)], {}, { constant }),
  operator(
    "DequantizeLinear",
    [codes, floats([4]), given("i8", [4], [1, -2, 3, 0])],
    { axis: { i: 0 } },
    { constant },
  ),
  operator("DequantizeLinear", [codes, floats([6])], { axis: { i: -1 } }, { constant }),
  operator(
    "DequantizeLinear",
    [codes, floats([4, 3])],
    { axis: { i: 1 }, block_size: { i: 2 } },
    { constant, opset: 21 },
  ),
]);
