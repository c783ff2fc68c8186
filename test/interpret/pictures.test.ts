/** Pictures as rows of channels: against ONNX's operations on planes, and against plain loops. */
import { describe, expect, it } from "vitest";
import type { Dim, Shape } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import type { Node, ValueType } from "../../ir/graph/graph.js";
import type { OpAttrs, OpName } from "../../ir/ops/index.js";
import { inferNode } from "../../ir/ops/infer.js";
import type { Tensor } from "../../ir/tensor.js";
import { writeOps } from "../support/write-ops.js";
import { between, f32, of } from "./onnx-case.js";
import { run } from "./run-op.js";

type ConvAttrs = OpAttrs["image-conv"];

interface ConvCase {
  readonly x: readonly [number, number, number, number];
  readonly kernel: readonly [number, number];
  readonly filters: number;
  readonly attrs: ConvAttrs;
  readonly bias?: boolean;
  readonly residual?: boolean;
}

const SAME: ConvAttrs = { stride: 1, pads: [1, 1, 1, 1], upsample: 1 };
const CONVS: readonly ConvCase[] = [
  { x: [1, 5, 7, 6], kernel: [3, 3], filters: 10, attrs: SAME },
  { x: [2, 17, 19, 3], kernel: [3, 3], filters: 5, attrs: SAME, bias: true, residual: true },
  // As encoders halve: one row below, one column on the right.
  {
    x: [2, 8, 6, 4],
    kernel: [3, 3],
    filters: 7,
    attrs: { ...SAME, stride: 2, pads: [0, 0, 1, 1] },
    bias: true,
  },
  { x: [1, 4, 3, 5], kernel: [3, 3], filters: 4, attrs: { ...SAME, upsample: 2 }, bias: true },
  {
    x: [1, 3, 4, 5],
    kernel: [2, 3],
    filters: 4,
    attrs: { stride: 3, pads: [2, 0, 1, 3], upsample: 3 },
    residual: true,
  },
  { x: [2, 4, 3, 8], kernel: [1, 1], filters: 3, attrs: { ...SAME, pads: [0, 0, 0, 0] }, bias: true },
];

const transpose = (t: Tensor, ...perm: number[]) => run("transpose", { perm }, [t])[0] as Tensor;
const planes = (t: Tensor) => transpose(t, 0, 3, 1, 2);
const rows = (t: Tensor) => transpose(t, 0, 2, 3, 1);

function operandsOf({ x, kernel, filters, attrs, bias, residual }: ConvCase): (Tensor | null)[] {
  const operands = [f32(...x), between(-0.4, 0.4, filters, ...kernel, x[3]), bias ? f32(filters) : null];
  if (!residual) return operands;
  const plain = run("image-conv", attrs, operands)[0] as Tensor;
  return [...operands, f32(...plain.shape)];
}

/** The same by ONNX's Resize, Conv and Add. */
function byPlanes(operands: readonly (Tensor | null)[], { stride, pads, upsample }: ConvAttrs): Tensor {
  const [x, w, bias = null, residual = null] = operands as [Tensor, Tensor, Tensor?, Tensor?];
  const resize = {
    mode: "nearest",
    coordinates: "asymmetric",
    nearestMode: "floor",
    cubicA: -0.75,
    excludeOutside: false,
    extrapolationValue: 0,
    axes: null,
    keepAspectRatio: "stretch",
  } as const;
  const scales = of("f32", [4], [1, 1, upsample, upsample]);
  const large = run("resize", resize, [planes(x), null, scales])[0] as Tensor;
  const conv = {
    strides: [stride, stride],
    pads,
    dilations: [1, 1],
    autoPad: "notset",
    kernel: null,
    group: 1,
  } as const;
  const y = rows(run("conv", conv, [large, planes(w), bias])[0] as Tensor);
  return residual === null ? y : (run("binary", { fn: "add" }, [y, residual])[0] as Tensor);
}

/** A sum for each element, in the terms of the definition. */
function byLoops(
  operands: readonly (Tensor | null)[],
  { stride, pads, upsample }: ConvAttrs,
  shape: Shape,
): number[] {
  const [x, w, bias, residual] = operands as [Tensor, Tensor, Tensor | null, Tensor?];
  const [, h, width, c] = x.shape as [number, number, number, number];
  const [, ky, kx] = w.shape as [number, number, number];
  const [batch, height, columns, filters] = shape as [number, number, number, number];
  const out: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < height; i++)
      for (let j = 0; j < columns; j++)
        for (let o = 0; o < filters; o++) {
          let sum = Number(bias?.data[o] ?? 0) + Number(residual?.data[out.length] ?? 0);
          for (let v = 0; v < ky; v++)
            for (let u = 0; u < kx; u++) {
              const y = Math.floor((i * stride + v - pads[0]!) / upsample);
              const z = Math.floor((j * stride + u - pads[1]!) / upsample);
              if (y < 0 || y >= h || z < 0 || z >= width) continue;
              for (let k = 0; k < c; k++)
                sum +=
                  Number(x.data[((b * h + y) * width + z) * c + k]) *
                  Number(w.data[((o * ky + v) * kx + u) * c + k]);
            }
          out.push(sum);
        }
  return out;
}

function expectClose(found: Tensor | undefined, expected: Iterable<number | bigint>, tolerance = 1e-5): void {
  const wanted = [...expected];
  expect(found?.data.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [Number(found?.data[i]), Number(wanted[i])];
    if (!(Math.abs(a - b) <= tolerance * (1 + Math.abs(b)))) throw new Error(`at ${i}: ${a}, not ${b}`);
  }
}

function infer<K extends OpName>(
  op: K,
  attrs: OpAttrs[K],
  shapes: readonly (Shape | null)[],
): Shape | null | undefined {
  const inputs = shapes.map((shape, i) => (shape === null ? null : `x${i}`));
  const types = new Map<string, ValueType>(
    shapes.flatMap((shape, i) => (shape === null ? [] : [[`x${i}`, { dtype: "f32", shape }] as const])),
  );
  const node = { op, inputs, outputs: ["y"], attrs } as unknown as Node;
  return inferNode(node, { types, ints: () => undefined, numbers: () => undefined })[0]?.shape;
}

describe("image-conv", () => {
  it.each(CONVS)("of $x with $kernel, $attrs is Resize, Conv and Add", async (given) => {
    const operands = operandsOf(given);
    const [found] = run("image-conv", given.attrs, operands);
    const wanted = byPlanes(operands, given.attrs);
    expect(found?.shape).toEqual(wanted.shape);
    expectClose(found, wanted.data);
    expectClose(found, byLoops(operands, given.attrs, wanted.shape));
    const shapes = operands.map((t) => t?.shape ?? null);
    expect(infer("image-conv", given.attrs, shapes)).toEqual(wanted.shape);
    expectClose(await writeOps("image-conv", given.attrs, operands), wanted.data);
  });

  it.each<[Dim, Partial<ConvAttrs>, Dim]>([
    ["h", {}, "h"],
    ["8*h", { stride: 2, pads: [0, 0, 1, 1] }, "4*h"],
    ["h+2", { upsample: 2 }, "2*h+4"],
    ["4*h", { pads: [0, 0, 0, 0] }, "4*h-2"],
  ])("of height %s with %o has height %s", (height, attrs, wanted) => {
    const shapes = [[1, height, 16, 4], [8, 3, 3, 4], [8]] as const;
    expect(infer("image-conv", { ...SAME, ...attrs }, shapes)?.[1]).toBe(wanted);
  });

  it("does not guess the half of a height that may be odd", () => {
    expect(
      infer("image-conv", { ...SAME, stride: 2 }, [
        [1, "h", 16, 4],
        [8, 3, 3, 4],
      ]),
    ).toBeNull();
  });

  it.each<[string, Partial<ConvAttrs>, readonly (Shape | null)[]]>([
    [
      "other channels",
      {},
      [
        [1, 4, 4, 3],
        [8, 3, 3, 4],
      ],
    ],
    ["another count of biases", {}, [[1, 4, 4, 4], [8, 3, 3, 4], [7]]],
    ["a residual of another size", {}, [[1, 4, 4, 4], [8, 3, 3, 4], null, [1, 4, 5, 8]]],
    [
      "rows without a place",
      {},
      [
        [1, 16, 4],
        [8, 3, 3, 4],
      ],
    ],
    [
      "a negative pad",
      { pads: [-1, 0, 0, 0] },
      [
        [1, 4, 4, 4],
        [8, 3, 3, 4],
      ],
    ],
    [
      "a stride of 0",
      { stride: 0 },
      [
        [1, 4, 4, 4],
        [8, 3, 3, 4],
      ],
    ],
    [
      "a filter larger than the picture",
      { pads: [0, 0, 0, 0] },
      [
        [1, 1, 1, 4],
        [8, 4, 4, 4],
      ],
    ],
  ])("refuses %s", (_, attrs, shapes) => {
    expect(() => infer("image-conv", { ...SAME, ...attrs }, shapes)).toThrow(
      expect.objectContaining({ code: "TRITC_E_SHAPE" }) as TritcError,
    );
  });
});

describe("group-norm-rows", () => {
  const attrs = { groups: 3, epsilon: 1e-2, activation: "none" } as const;

  it.each([[[1, 5, 7, 6]], [[2, 33, 3]], [[3, 12]]])("of %o is GroupNormalization", async (shape) => {
    const channels = shape.at(-1) ?? 1;
    const operands = [between(0.5, 3, ...shape), f32(channels), f32(channels)];
    const last = shape.length - 1;
    const inner = shape.slice(1, -1).map((_, i) => i + 1);
    const [x, ...affine] = operands as [Tensor, Tensor, Tensor];
    const plane = { groups: 3, epsilon: 1e-2, perGroupAffine: false };
    const [normal] = run("group-norm", plane, [transpose(x, 0, last, ...inner), ...affine]);
    const wanted = transpose(normal as Tensor, 0, ...inner.map((axis) => axis + 1), 1);
    const [found] = run("group-norm-rows", attrs, operands);
    expect(found?.shape).toEqual(shape);
    expectClose(found, wanted.data);
    expectClose(await writeOps("group-norm-rows", attrs, operands), wanted.data);

    const active = { ...attrs, activation: "silu" } as const;
    const silu = [...wanted.data].map(Number).map((v) => v / (1 + Math.exp(-v)));
    expectClose(run("group-norm-rows", active, operands)[0], silu);
    expectClose(await writeOps("group-norm-rows", active, operands), silu);
  });

  it("has the shape of its operand, whose channels are whole groups", () => {
    expect(infer("group-norm-rows", attrs, [[1, "h", "w", 6], [6], [6]])).toEqual([1, "h", "w", 6]);
    for (const shapes of [
      [[1, "h", "w", 7], [7], [7]],
      [[1, "h", "w", 6], [6], [3]],
    ])
      expect(() => infer("group-norm-rows", attrs, shapes)).toThrow(TritcError);
  });
});
