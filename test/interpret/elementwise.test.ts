import { describe, it } from "vitest";
import { model, node, value } from "../support/onnx-builder.js";
import {
  between,
  bool,
  type Case,
  check,
  expectClose,
  f32,
  f64,
  i64,
  of,
  runBoth,
  scalar,
  whole,
} from "./onnx-case.js";

const SPECIAL = of("f32", [9], [Number.NaN, Infinity, -Infinity, 0, -0, 0.5, 1.5, 2.5, -2.5]);

const unary = (op: string, low: number, high: number): Case[] => [
  { op, inputs: [between(low, high, 3, 7)] },
  { op, inputs: [between(low, high, 65)] },
];

describe("unary", () => {
  check([
    ...unary("Abs", -3, 3),
    ...unary("Acos", -1, 1),
    ...unary("Acosh", 1, 9),
    ...unary("Asin", -1, 1),
    ...unary("Asinh", -9, 9),
    ...unary("Atan", -9, 9),
    ...unary("Atanh", -0.99, 0.99),
    ...unary("Ceil", -9, 9),
    ...unary("Cos", -9, 9),
    ...unary("Cosh", -4, 4),
    ...unary("Erf", -7, 7),
    ...unary("Erf", -0.01, 0.01),
    ...unary("Exp", -9, 9),
    ...unary("Floor", -9, 9),
    ...unary("HardSwish", -5, 5),
    ...unary("Log", 0.01, 50),
    ...unary("Mish", -9, 9),
    ...unary("Neg", -9, 9),
    ...unary("Reciprocal", 0.1, 9),
    ...unary("Relu", -9, 9),
    ...unary("Round", -9, 9),
    ...unary("Sigmoid", -30, 30),
    ...unary("Sign", -9, 9),
    ...unary("Sin", -9, 9),
    ...unary("Sinh", -4, 4),
    ...unary("Softplus", -40, 40),
    ...unary("Softsign", -9, 9),
    ...unary("Sqrt", 0, 9),
    ...unary("Tan", -1, 1),
    ...unary("Tanh", -9, 9),
    { op: "Round", inputs: [of("f32", [8], [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49, -3.51])] },
    ...["Abs", "Neg", "Sigmoid", "Tanh", "Exp", "Sqrt", "Floor", "Ceil", "Round"].map((op) => ({
      op,
      inputs: [SPECIAL],
    })),
    { op: "IsNaN", inputs: [SPECIAL], out: ["bool"] },
    { op: "IsInf", inputs: [SPECIAL], out: ["bool"] },
    { op: "IsInf", inputs: [SPECIAL], out: ["bool"], attrs: { detect_negative: { i: 0 } } },
    { op: "Not", inputs: [bool(5, 3)] },
    { op: "BitwiseNot", inputs: [whole("i32", -99, 99, 7)] },
    { op: "BitwiseNot", inputs: [whole("u8", 0, 255, 7)] },
    { op: "BitwiseNot", inputs: [whole("i64", -99, 99, 7)] },
    ...(["i64", "i32", "i8"] as const).flatMap((t) =>
      ["Abs", "Neg", "Sign"].map((op) => ({ op, inputs: [whole(t, -99, 99, 3, 5)] })),
    ),
    { op: "Relu", inputs: [whole("i32", -9, 9, 11)] },
    { op: "Exp", inputs: [f64(3, 3)] },
    { op: "LeakyRelu", inputs: [f32(3, 7)], attrs: { alpha: { f: 0.2 } } },
    { op: "LeakyRelu", inputs: [f32(3, 7)] },
    { op: "Elu", inputs: [f32(3, 7)], attrs: { alpha: { f: 1.5 } } },
    { op: "Celu", inputs: [f32(3, 7)], attrs: { alpha: { f: 1.5 } } },
    { op: "Selu", inputs: [f32(3, 7)] },
    { op: "HardSigmoid", inputs: [between(-6, 6, 3, 7)] },
    { op: "HardSigmoid", inputs: [between(-6, 6, 3, 7)], attrs: { alpha: { f: 0.3 }, beta: { f: 0.4 } } },
    { op: "ThresholdedRelu", inputs: [f32(3, 7)], attrs: { alpha: { f: 0.3 } } },
    { op: "Shrink", inputs: [f32(3, 7)], attrs: { lambd: { f: 0.4 }, bias: { f: 0.1 } } },
    { op: "PRelu", inputs: [f32(2, 3, 5), f32(3, 1)] },
    { op: "PRelu", inputs: [f32(2, 3, 5), f32(1)] },
    { op: "Gelu", inputs: [f32(5, 9)], opset: 20 },
    { op: "Gelu", inputs: [f32(5, 9)], opset: 20, attrs: { approximate: { s: "tanh" } } },
    { op: "Clip", inputs: [f32(5, 9), scalar("f32", -0.5), scalar("f32", 0.7)] },
    { op: "Clip", inputs: [f32(5, 9), null, scalar("f32", 0.7)] },
    { op: "Clip", inputs: [whole("i64", -9, 9, 9), scalar("i64", -3), scalar("i64", 4)] },
    { op: "Dropout", inputs: [f32(5, 9)] },
    { op: "Identity", inputs: [f32(5, 9)] },
  ]);
});

const pairs = (a: () => ReturnType<typeof f32>, op: string): Case[] => [{ op, inputs: [a(), a()] }];

describe("binary", () => {
  const shapes: readonly (readonly [number[], number[]])[] = [
    [
      [3, 5],
      [3, 5],
    ],
    [[2, 3, 5], [5]],
    [
      [2, 3, 5],
      [3, 1],
    ],
    [
      [2, 1, 5],
      [3, 1],
    ],
    [[], [4, 3]],
    [[4, 3], [1]],
    [
      [1, 7],
      [6, 1],
    ],
    [
      [2, 3, 1, 5],
      [1, 3, 4, 1],
    ],
    [
      [0, 3],
      [1, 3],
    ],
  ];
  check([
    ...["Add", "Sub", "Mul", "Div", "Max", "Min"].flatMap((op) =>
      shapes.map(([a, b]) => ({ op, inputs: [f32(...a), f32(...b)] })),
    ),
    ...["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"].flatMap((op) => [
      { op, inputs: [f32(3, 5), f32(5)], out: ["bool"] as const },
      {
        op,
        inputs: [whole("i64", -2, 2, 3, 5), whole("i64", -2, 2, 3, 5)],
        out: ["bool"] as const,
        opset: 19,
      },
      { op, inputs: [whole("i32", -2, 2, 3, 5), whole("i32", -2, 2, 5)], out: ["bool"] as const },
      { op, inputs: [SPECIAL, of("f32", [1], [0.5])], out: ["bool"] as const },
    ]),
    ...["And", "Or", "Xor"].map((op) => ({ op, inputs: [bool(3, 5), bool(5)], out: ["bool"] as const })),
    { op: "Equal", inputs: [bool(3, 5), bool(5)], out: ["bool"] },
    ...["BitwiseAnd", "BitwiseOr", "BitwiseXor"].flatMap((op) => [
      { op, inputs: [whole("i32", -999, 999, 3, 5), whole("i32", -999, 999, 5)] },
      { op, inputs: [whole("i64", -999, 999, 3, 5), whole("i64", -999, 999, 5)] },
      { op, inputs: [whole("u8", 0, 255, 3, 5), whole("u8", 0, 255, 5)] },
    ]),
    ...["LEFT", "RIGHT"].flatMap((direction) => [
      {
        op: "BitShift",
        inputs: [whole("u32", 0, 2 ** 31, 9), whole("u32", 0, 7, 9)],
        attrs: { direction: { s: direction } },
      },
      {
        op: "BitShift",
        inputs: [whole("u8", 0, 255, 9), whole("u8", 0, 7, 9)],
        attrs: { direction: { s: direction } },
      },
      {
        op: "BitShift",
        inputs: [whole("u64", 0, 2 ** 31, 9), whole("u64", 0, 7, 9)],
        attrs: { direction: { s: direction } },
      },
    ]),
    ...(["i64", "i32"] as const).flatMap((t) => [
      ...["Add", "Sub", "Mul", "Max", "Min"].map((op) => ({
        op,
        inputs: [whole(t, -99999, 99999, 3, 5), whole(t, -99999, 99999, 5)],
      })),
      { op: "Div", inputs: [whole(t, -99, 99, 3, 5), whole(t, 1, 9, 5)] },
      { op: "Div", inputs: [whole(t, -99, 99, 3, 5), whole(t, -9, -1, 5)] },
      { op: "Mod", inputs: [whole(t, -99, 99, 3, 5), whole(t, 1, 9, 5)] },
      { op: "Mod", inputs: [whole(t, -99, 99, 3, 5), whole(t, -9, -1, 5)] },
      { op: "Mod", inputs: [whole(t, -99, 99, 3, 5), whole(t, -9, -1, 5)], attrs: { fmod: { i: 1 } } },
    ]),
    { op: "Mul", inputs: [whole("i64", 2 ** 40, 2 ** 41, 5), whole("i64", 2 ** 40, 2 ** 41, 5)] },
    { op: "Mul", inputs: [whole("i32", 2 ** 29, 2 ** 30, 5), whole("i32", 2 ** 29, 2 ** 30, 5)] },
    { op: "Add", inputs: [whole("u8", 100, 255, 5), whole("u8", 200, 255, 5)], opset: 14 },
    { op: "Sub", inputs: [whole("u32", 0, 9, 5), whole("u32", 10, 20, 5)] },
    { op: "Mod", inputs: [f32(3, 5), between(0.5, 2, 5)], attrs: { fmod: { i: 1 } } },
    { op: "Pow", inputs: [between(0.1, 3, 3, 5), f32(5)] },
    { op: "Pow", inputs: [f32(3, 5), scalar("f32", 2)] },
    { op: "Pow", inputs: [f32(3, 5), scalar("f32", 3)] },
    { op: "Pow", inputs: [f32(3, 5), scalar("i64", 3)] },
    { op: "Pow", inputs: [whole("i64", -9, 9, 5), scalar("i64", 3)] },
    { op: "Pow", inputs: [whole("i32", -9, 9, 5), scalar("f32", 2)] },
    { op: "Pow", inputs: [whole("i64", 1, 9, 5), scalar("f32", 0.5)] },
    { op: "Pow", inputs: [SPECIAL, scalar("f32", 0)] },
    { op: "Max", inputs: [SPECIAL, scalar("f32", 1)] },
    { op: "Min", inputs: [SPECIAL, scalar("f32", 1)] },
    { op: "Max", inputs: [f32(3, 5), f32(5), f32(1)] },
    { op: "Sum", inputs: [f32(3, 5), f32(5), f32(3, 1)] },
    { op: "Mean", inputs: [f32(3, 5), f32(5), f32(3, 1)] },
    { op: "Max", inputs: [f32(3, 5)] },
    { op: "Add", inputs: [f64(3, 5), f64(5)] },
    { op: "Div", inputs: [f64(3, 5), f64(3, 1)] },
    ...pairs(() => f32(2, 70), "Add"),
    { op: "Where", inputs: [bool(3, 5), f32(3, 5), f32(5)], out: ["f32"] },
    { op: "Where", inputs: [bool(3, 1), f32(1, 5), scalar("f32", 2)], out: ["f32"] },
    { op: "Where", inputs: [bool(5), whole("i64", -9, 9, 3, 5), i64(7)], out: ["i64"] },
  ]);
});

describe("cast", () => {
  const to = { f32: 1, u8: 2, i8: 3, i16: 5, i32: 6, i64: 7, bool: 9, f64: 11, u32: 12 } as const;
  const names = Object.keys(to) as (keyof typeof to)[];
  check([
    ...names.map(
      (name): Case => ({
        op: "Cast",
        inputs: [between(0, 99, 3, 7)],
        attrs: { to: { i: to[name] } },
        out: [name],
      }),
    ),
    ...(["i8", "i16", "i32", "i64", "f64", "bool"] as const).map(
      (name): Case => ({
        op: "Cast",
        inputs: [between(-99, 99, 3, 7)],
        attrs: { to: { i: to[name] } },
        out: [name],
      }),
    ),
    ...names.map(
      (name): Case => ({
        op: "Cast",
        inputs: [whole("i64", -999, 999, 9)],
        attrs: { to: { i: to[name] } },
        out: [name],
      }),
    ),
    ...names.map(
      (name): Case => ({
        op: "Cast",
        inputs: [whole("i32", -999, 999, 9)],
        attrs: { to: { i: to[name] } },
        out: [name],
      }),
    ),
    ...names.map(
      (name): Case => ({ op: "Cast", inputs: [bool(9)], attrs: { to: { i: to[name] } }, out: [name] }),
    ),
    {
      op: "Cast",
      inputs: [of("f32", [4], [Number.NaN, Infinity, 0, 0.1])],
      attrs: { to: { i: 9 } },
      out: ["bool"],
    },
    { op: "CastLike", inputs: [f32(3), whole("i32", 0, 1, 1)], out: ["i32"] },
  ]);
});

describe("16-bit floats", () => {
  const values = of(
    "f32",
    [12],
    [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65504, 65519, 65521, -70000, 1e-8, 3e-8, 6.1e-5, 0.1, -0.3, Infinity],
  );
  it.each([
    ["f16", 10],
    ["bf16", 16],
  ])("a cast to %s and back rounds once, to even", async (_, to) => {
    const bytes = model({
      inputs: [value("x", "f32", [12])],
      outputs: [value("y")],
      nodes: [node("Cast", ["x"], ["h"], { to: { i: to } }), node("Cast", ["h"], ["y"], { to: { i: 1 } })],
    });
    for (const x of [values, f32(12), between(-1e-4, 1e-4, 12)]) {
      const { found, expected } = await runBoth(bytes, new Map([["x", x]]));
      expectClose(found.get("y"), expected.get("y")!, 0, "y");
    }
  });
});
