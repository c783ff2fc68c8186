import { describe } from "vitest";
import { type Case, check, f32, f64, i64, of, scalar, whole } from "./onnx-case.js";

const i = (v: number) => ({ i: v });
const einsum = (equation: string, ...inputs: Case["inputs"]): Case => ({
  op: "Einsum",
  inputs,
  attrs: { equation: { s: equation } },
});

describe("products", () => {
  check([
    { op: "MatMul", inputs: [f32(3, 5), f32(5, 7)] },
    { op: "MatMul", inputs: [f32(37, 65), f32(65, 67)] },
    { op: "MatMul", inputs: [f32(5, 600), f32(600, 70)] },
    { op: "MatMul", inputs: [f32(130, 3), f32(3, 129)] },
    { op: "MatMul", inputs: [f32(2, 3, 5, 4), f32(2, 3, 4, 6)] },
    { op: "MatMul", inputs: [f32(2, 1, 25, 24), f32(3, 24, 16)] },
    { op: "MatMul", inputs: [f32(2, 13, 24), f32(24, 16)] },
    { op: "MatMul", inputs: [f32(13, 24), f32(2, 24, 16)] },
    { op: "MatMul", inputs: [f32(24), f32(24, 16)] },
    { op: "MatMul", inputs: [f32(2, 6, 24), f32(24)] },
    { op: "MatMul", inputs: [f32(24), f32(24)] },
    { op: "MatMul", inputs: [f32(24), f32(3, 24, 16)] },
    { op: "MatMul", inputs: [f32(3, 0), f32(0, 4)] },
    { op: "MatMul", inputs: [f64(13, 24), f64(24, 16)] },
    { op: "MatMul", inputs: [whole("i64", -99, 99, 13, 24), whole("i64", -99, 99, 24, 16)] },
    { op: "MatMul", inputs: [whole("i32", -99, 99, 3, 4), whole("i32", -99, 99, 4, 6)] },
    ...[0, 1].flatMap((transA) =>
      [0, 1].flatMap((transB): Case[] => {
        const a = () => (transA ? f32(19, 9) : f32(9, 19));
        const b = () => (transB ? f32(33, 19) : f32(19, 33));
        const attrs = { transA: i(transA), transB: i(transB) };
        return [
          { op: "Gemm", inputs: [a(), b()], attrs },
          { op: "Gemm", inputs: [a(), b(), f32(33)], attrs: { ...attrs, alpha: { f: 0.5 }, beta: { f: 2 } } },
          { op: "Gemm", inputs: [a(), b(), f32(9, 1)], attrs },
        ];
      }),
    ),
    einsum("i,j->ij", f32(3), f32(5)),
    einsum("ij,jk->ik", f32(3, 5), f32(5, 7)),
    einsum("ij,jk", f32(3, 5), f32(5, 7)),
    einsum("bhid,bhjd->bhij", f32(2, 3, 4, 5), f32(2, 3, 6, 5)),
    einsum("bij,bjk->bik", f32(2, 3, 5), f32(2, 5, 7)),
    einsum("ii->i", f32(4, 4)),
    einsum("ii", f32(4, 4)),
    einsum("ij->ji", f32(3, 5)),
    einsum("ij->", f32(3, 5)),
    einsum("ij->j", f32(3, 5)),
    einsum("...ij,...jk->...ik", f32(2, 3, 4, 5), f32(2, 3, 5, 6)),
    einsum("...ij->...ji", f32(2, 3, 4)),
    einsum("i...,i...->...", f32(3, 4), f32(3, 4)),
    einsum("ij,kj,il->kl", f32(3, 5), f32(4, 5), f32(3, 6)),
    einsum("ij,ij->ij", f32(3, 5), f32(3, 5)),
    einsum("bnd,bnd->bn", f32(2, 3, 5), f32(2, 3, 5)),
    einsum("b i , b j -> b i j", f32(2, 3), f32(2, 5)),
    {
      op: "MatMulInteger",
      inputs: [whole("u8", 0, 255, 5, 24), whole("i8", -128, 127, 24, 7)],
      out: ["i32"],
    },
    {
      op: "MatMulInteger",
      inputs: [whole("u8", 0, 255, 5, 24), whole("u8", 0, 255, 24, 7), scalar("u8", 7), scalar("u8", 120)],
      out: ["i32"],
    },
    {
      op: "MatMulInteger",
      inputs: [whole("u8", 0, 255, 2, 25, 24), whole("i8", -128, 127, 24, 7), scalar("u8", 3)],
      out: ["i32"],
    },
    {
      op: "MatMulInteger",
      inputs: [
        whole("u8", 0, 255, 5, 24),
        whole("i8", -128, 127, 24, 7),
        scalar("u8", 3),
        whole("i8", -9, 9, 7),
      ],
      out: ["i32"],
    },
    {
      op: "DequantizeLinear",
      inputs: [whole("u8", 0, 255, 5, 6), scalar("f32", 0.3), scalar("u8", 9)],
      out: ["f32"],
    },
    {
      op: "DequantizeLinear",
      inputs: [whole("i8", -128, 127, 5, 6), f32(6), whole("i8", -9, 9, 6)],
      out: ["f32"],
      attrs: { axis: i(1) },
    },
    {
      op: "DequantizeLinear",
      inputs: [whole("i8", -128, 127, 5, 6), f32(5)],
      out: ["f32"],
      attrs: { axis: i(0) },
    },
    {
      op: "DequantizeLinear",
      inputs: [whole("i8", -128, 127, 5, 6), f32(5, 2), whole("i8", -9, 9, 5, 2)],
      out: ["f32"],
      opset: 21,
      attrs: { axis: i(1), block_size: i(3) },
    },
  ]);
});

const ints = (...v: number[]) => ({ ints: v });

describe("convolutions and pools", () => {
  check([
    { op: "Conv", inputs: [f32(2, 3, 7, 9), f32(5, 3, 3, 3), f32(5)], attrs: { pads: ints(1, 1, 1, 1) } },
    {
      op: "Conv",
      inputs: [f32(1, 4, 8, 9), f32(6, 2, 3, 2)],
      attrs: { group: i(2), strides: ints(2, 3), pads: ints(0, 1, 2, 0) },
    },
    { op: "Conv", inputs: [f32(1, 3, 9, 9), f32(4, 3, 3, 3)], attrs: { dilations: ints(2, 3) } },
    { op: "Conv", inputs: [f32(2, 4, 11), f32(4, 1, 3), f32(4)], attrs: { group: i(4), pads: ints(1, 1) } },
    { op: "Conv", inputs: [f32(1, 2, 4, 5, 6), f32(3, 2, 2, 3, 2), f32(3)] },
    { op: "Conv", inputs: [f32(1, 3, 5, 5), f32(4, 3, 1, 1)] },
    { op: "Conv", inputs: [f32(1, 3, 40, 41), f32(4, 3, 3, 3)], attrs: { pads: ints(1, 1, 1, 1) } },
    ...["SAME_UPPER", "SAME_LOWER", "VALID"].flatMap((auto): Case[] => [
      {
        op: "Conv",
        inputs: [f32(1, 2, 7, 8), f32(3, 2, 3, 4)],
        attrs: { auto_pad: { s: auto }, strides: ints(2, 2) },
      },
      {
        op: "MaxPool",
        inputs: [f32(1, 2, 7, 8)],
        attrs: { kernel_shape: ints(3, 4), auto_pad: { s: auto }, strides: ints(2, 2) },
      },
    ]),
    {
      op: "ConvTranspose",
      inputs: [f32(2, 3, 5, 6), f32(3, 4, 3, 3), f32(4)],
      attrs: { strides: ints(2, 2), pads: ints(1, 1, 1, 1) },
    },
    {
      op: "ConvTranspose",
      inputs: [f32(1, 4, 5, 6), f32(4, 2, 3, 2)],
      attrs: { group: i(2), dilations: ints(2, 1), output_padding: ints(1, 0), strides: ints(2, 1) },
    },
    { op: "ConvTranspose", inputs: [f32(1, 2, 5), f32(2, 3, 4)], attrs: { strides: ints(3) } },
    {
      op: "ConvTranspose",
      inputs: [f32(1, 2, 5, 5), f32(2, 3, 3, 3)],
      attrs: { strides: ints(2, 2), output_shape: ints(10, 10) },
    },
    {
      op: "ConvTranspose",
      inputs: [f32(1, 2, 5, 5), f32(2, 3, 3, 3)],
      attrs: { strides: ints(2, 2), auto_pad: { s: "SAME_UPPER" } },
    },
    {
      op: "ConvTranspose",
      inputs: [f32(1, 2, 5, 5), f32(2, 3, 3, 3)],
      attrs: { strides: ints(2, 2), auto_pad: { s: "SAME_LOWER" } },
    },
    {
      op: "MaxPool",
      inputs: [f32(2, 3, 7, 8)],
      attrs: { kernel_shape: ints(3, 2), strides: ints(2, 2), pads: ints(1, 0, 1, 1) },
    },
    {
      op: "MaxPool",
      inputs: [f32(1, 2, 8, 8)],
      attrs: { kernel_shape: ints(3, 3), strides: ints(2, 2), ceil_mode: i(1) },
    },
    { op: "MaxPool", inputs: [f32(1, 2, 9, 9)], attrs: { kernel_shape: ints(2, 2), dilations: ints(2, 3) } },
    {
      op: "MaxPool",
      inputs: [f32(1, 2, 9)],
      attrs: { kernel_shape: ints(3), strides: ints(4), ceil_mode: i(1), pads: ints(1, 1) },
    },
    {
      op: "AveragePool",
      inputs: [f32(2, 3, 7, 8)],
      attrs: { kernel_shape: ints(3, 2), strides: ints(2, 2), pads: ints(1, 0, 1, 1) },
    },
    {
      op: "AveragePool",
      inputs: [f32(2, 3, 7, 8)],
      attrs: { kernel_shape: ints(3, 2), pads: ints(1, 1, 1, 1), count_include_pad: i(1) },
    },
    {
      op: "AveragePool",
      inputs: [f32(1, 2, 8, 8)],
      attrs: { kernel_shape: ints(3, 3), strides: ints(2, 2), ceil_mode: i(1) },
      opset: 19,
    },
    {
      op: "AveragePool",
      inputs: [f32(1, 2, 8, 8)],
      attrs: {
        kernel_shape: ints(3, 3),
        strides: ints(2, 2),
        ceil_mode: i(1),
        pads: ints(1, 1, 1, 1),
        count_include_pad: i(1),
      },
      opset: 19,
    },
    {
      op: "AveragePool",
      inputs: [f32(1, 2, 9, 9)],
      attrs: { kernel_shape: ints(2, 2), dilations: ints(2, 3) },
      opset: 19,
    },
    { op: "GlobalAveragePool", inputs: [f32(2, 3, 5, 7)] },
    { op: "GlobalMaxPool", inputs: [f32(2, 3, 5, 7)] },
  ]);
});

const sized = (x: Case["inputs"][number], sizes: readonly number[], attrs: Case["attrs"]): Case => ({
  op: "Resize",
  inputs: [x ?? null, null, null, i64(...sizes)],
  attrs: attrs ?? {},
  opset: 19,
});
const scaled = (x: Case["inputs"][number], scales: readonly number[], attrs: Case["attrs"]): Case => ({
  op: "Resize",
  inputs: [x ?? null, null, of("f32", [scales.length], scales)],
  attrs: attrs ?? {},
  opset: 19,
});

describe("resize", () => {
  const coordinates = [
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "half_pixel_symmetric",
  ];
  check([
    ...coordinates.flatMap((mode) =>
      ["nearest", "linear", "cubic"].flatMap((kind): Case[] => {
        const attrs = { mode: { s: kind }, coordinate_transformation_mode: { s: mode } };
        return [
          sized(f32(1, 2, 5, 6), [1, 2, 8, 9], attrs),
          sized(f32(1, 2, 7, 6), [1, 2, 3, 4], attrs),
          scaled(f32(1, 2, 5, 6), [1, 1, 2, 2], attrs),
          scaled(f32(1, 2, 5, 6), [1, 1, 0.6, 1.7], attrs),
        ];
      }),
    ),
    ...["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].flatMap((nearest) =>
      ["asymmetric", "half_pixel"].map((mode) =>
        scaled(f32(1, 2, 5, 6), [1, 1, 1.5, 0.5], {
          mode: { s: "nearest" },
          nearest_mode: { s: nearest },
          coordinate_transformation_mode: { s: mode },
        }),
      ),
    ),
    scaled(f32(1, 2, 5, 6), [1, 1, 1.5, 0.5], { mode: { s: "cubic" }, cubic_coeff_a: { f: -0.5 } }),
    scaled(f32(1, 2, 5, 6), [1, 1, 1.5, 0.5], { mode: { s: "cubic" }, exclude_outside: i(1) }),
    scaled(f32(2, 3), [2, 3], { mode: { s: "nearest" } }),
    {
      op: "Resize",
      inputs: [f32(1, 2, 5, 6), null, null, i64(8, 9)],
      attrs: { mode: { s: "linear" }, axes: ints(2, 3) },
      opset: 19,
    },
    {
      op: "Resize",
      inputs: [f32(1, 2, 5, 6), null, null, i64(8, 8)],
      attrs: { mode: { s: "linear" }, axes: ints(2, 3), keep_aspect_ratio_policy: { s: "not_larger" } },
      opset: 19,
    },
    {
      op: "Resize",
      inputs: [f32(1, 2, 5, 6), null, null, i64(8, 8)],
      attrs: { mode: { s: "nearest" }, axes: ints(2, 3), keep_aspect_ratio_policy: { s: "not_smaller" } },
      opset: 19,
    },
    {
      op: "Resize",
      inputs: [f32(1, 1, 5, 6), of("f32", [8], [0, 0, 0.2, 0.3, 1, 1, 0.7, 1.2]), null, i64(1, 1, 4, 5)],
      attrs: {
        mode: { s: "linear" },
        coordinate_transformation_mode: { s: "tf_crop_and_resize" },
        extrapolation_value: { f: 7 },
      },
      opset: 19,
    },
    {
      op: "Resize",
      inputs: [f32(1, 2, 5, 6), of("f32", [0], []), of("f32", [4], [1, 1, 2, 2])],
      attrs: { mode: { s: "nearest" } },
      opset: 11,
    },
    {
      op: "Upsample",
      inputs: [f32(1, 2, 5, 6), of("f32", [4], [1, 1, 2, 3])],
      attrs: { mode: { s: "nearest" } },
      opset: 9,
    },
  ]);
});
