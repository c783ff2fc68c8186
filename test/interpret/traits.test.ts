import { describe, expect, it } from "vitest";
import { definitionOf, OP_NAMES, type OpAttrs, type OpName } from "../../ir/ops/index.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { bool, f32, i64, of, whole } from "./onnx-case.js";
import { run } from "./run-op.js";

/** What traits promise, held against the reference meaning of the operations. */

interface Case<K extends OpName = OpName> {
  readonly op: K;
  readonly attrs: OpAttrs[K];
  /** Operands of one sample, with a leading axis of size 1, and those that all samples share. */
  readonly samples: readonly (readonly number[])[];
  readonly shared?: readonly Tensor[];
  readonly results?: number;
}

function each<K extends OpName>(
  op: K,
  attrs: OpAttrs[K],
  samples: Case["samples"],
  shared: readonly Tensor[] = [],
  results = 1,
): Case {
  return { op, attrs, samples, shared, results };
}

const T = 3;
const C = 8;
const x = [1, T, C];
const row = [1, C];
const table = () => [f32(T, 2), f32(T, 2)];
const ternary = (n: number): Tensor[] => [whole("i8", -1, 1, n, C), f32(n)];
const linear = { role: null, activation: "silu", gated: false } as const;

const BY_SAMPLE: readonly Case[] = [
  each("unary", { fn: "tanh" }, [x]),
  each("binary", { fn: "sub" }, [x, x]),
  each("cast", { to: "i32" }, [x]),
  each("leaky-relu", { alpha: 0.1 }, [x]),
  each("elu", { alpha: 0.7 }, [x]),
  each("celu", { alpha: 0.7 }, [x]),
  each("selu", { alpha: 1.6, gamma: 1.1 }, [x]),
  each("hard-sigmoid", { alpha: 0.2, beta: 0.5 }, [x]),
  each("thresholded-relu", { alpha: 0.3 }, [x]),
  each("shrink", { bias: 0.1, lambd: 0.3 }, [x]),
  each("silu", {}, [x]),
  each("swiglu", {}, [x, x]),
  each("gelu", { approximate: "tanh" }, [x]),
  each("part", { axis: 2, start: 2, length: 3 }, [x]),
  each("concat", { axis: 1 }, [x, x]),
  each("layer-norm", { axis: 2, epsilon: 1e-5 }, [x]),
  each("rms-norm", { axis: 2, epsilon: 1e-5, group: 4 }, [x]),
  each("linear", linear, [x], [f32(5, C), f32(5)]),
  each("ternary-linear", { ...linear, quantized: false }, [x], ternary(5)),
  each(
    "ternary-qkv",
    { role: null, quantized: false, headDim: 4, epsilon: 1e-6, width: 4 },
    [x],
    [...ternary(12), f32(12), f32(8), ...table()],
  ),
  each("modulate", {}, [x, row, row]),
  each("gated-residual", {}, [x, row, x]),
  each("adaln", { epsilon: 1e-6 }, [x, row, row]),
  each("adaln-quantize", { epsilon: 1e-6 }, [x, row, row], [], 3),
  each("quantize-rows", {}, [x], [], 3),
  each("rope", { headDim: 4 }, [x], table()),
  each("qk-norm-rope", { headDim: 4, epsilon: 1e-6 }, [x], [f32(4), ...table()]),
  each("attention", { heads: 2, scale: 0.5 }, [x, x, x]),
  each(
    "image-conv",
    { stride: 1, pads: [1, 1, 1, 1], upsample: 1 },
    [[1, 4, T, C]],
    [f32(5, 3, 3, C), f32(5)],
  ),
  each("group-norm-rows", { groups: 2, epsilon: 1e-5, activation: "silu" }, [x], [f32(C), f32(C)]),
  each(
    "timestep-embedding",
    { dim: 6, factor: 1, maxPeriod: 10_000, shift: 0, sinFirst: false, frequencies: null },
    [[1]],
  ),
];

/** Values of the leading axis' entry `i`. */
function entry(t: Tensor, i: number): readonly number[] {
  const size = countOf(t.shape) / (t.shape[0] ?? 1);
  return Array.from({ length: size }, (_, k) => Number(t.data[i * size + k]));
}

function operandsOf({ samples, shared = [] }: Case, batch: number): Tensor[] {
  const own = samples.flatMap((shape) => (shape === null ? [] : [f32(batch, ...shape.slice(1))]));
  return [...own, ...shared];
}

/** Sample `i` of a batch by itself. */
function sampleOf(operands: readonly Tensor[], count: number, i: number): Tensor[] {
  return operands.map((t, k) => (k < count ? of("f32", [1, ...t.shape.slice(1)], entry(t, i)) : t));
}

describe("what is done sample by sample", () => {
  it.each(BY_SAMPLE)("$op gives for each of a batch what it gives for one", (given) => {
    const { op, attrs, samples, results = 1 } = given;
    const operands = operandsOf(given, 3);
    const ranks = samples.map((shape) => shape.length);
    const { perSample, perStep } = definitionOf(op).traits;
    const steps = { rank: samples[0]?.length ?? 0, ranks, operands: operands.length };
    expect(perSample(attrs, operands[0]?.shape ?? []) || perStep(attrs, steps)).toBe(true);
    const together = run(op, attrs, operands, results);
    for (const i of [0, 1, 2]) {
      const alone = run(op, attrs, sampleOf(operands, samples.length, i), results);
      for (const [k, result] of alone.entries()) {
        expect(entry(together[k] as Tensor, i)).toEqual(entry(result, 0));
      }
    }
  });

  it("is promised of no other operation", () => {
    const cases = new Set<OpName>(BY_SAMPLE.map(({ op }) => op));
    // A table of positions is one for all samples.
    const others = OP_NAMES.filter((op) => !cases.has(op) && op !== "rope-table");
    const one = { axis: 1, fn: "add" } as unknown as OpAttrs[OpName];
    expect(others.filter((op) => definitionOf(op).traits.perSample(one, [1, T, C]))).toEqual([]);
  });

  it("does not hold along the axis of samples", () => {
    const { perSample, perStep } = definitionOf("concat").traits;
    const along = { axis: 0 };
    const steps = { rank: 3, ranks: [3, 3], operands: 2 };
    expect(perSample(along, [1, T, C])).toBe(false);
    expect(perSample(along, [T, C])).toBe(true);
    expect(perStep(along, steps)).toBe(false);
    expect(perStep({ axis: 1 }, steps)).toBe(true);
    // What all steps share, lowering gives to each of them.
    expect(perStep({ axis: 1 }, { ...steps, ranks: [3] })).toBe(true);
    expect(perStep(along, { ...steps, ranks: [3] })).toBe(false);
  });
});

describe("what is done row by row", () => {
  it("leaves the other rows as they are where one row of operand 0 changes", () => {
    for (const given of BY_SAMPLE.filter(({ op }) => definitionOf(op).traits.rowWise)) {
      const { op, attrs, results = 1 } = given;
      const operands = operandsOf(given, 1);
      const [first, ...rest] = operands as [Tensor, ...Tensor[]];
      const data = [...entry(first, 0)].map((v, i) => (Math.floor(i / C) === 1 ? v * v + 1 : v));
      const [before, after] = [operands, [of("f32", first.shape, data), ...rest]].map((o) =>
        run(op, attrs, o, results),
      );
      for (const [k, result] of (before ?? []).entries()) {
        const [a, b] = [entry(result, 0), entry(after?.[k] as Tensor, 0)];
        const width = a.length / T;
        const changed = a.flatMap((v, i) => (v === b[i] ? [] : [Math.floor(i / width)]));
        expect([op, ...new Set(changed)]).toEqual([op, 1]);
      }
    }
  });

  it("is promised of operations that are tried here only", () => {
    const cases = new Set<OpName>(BY_SAMPLE.map(({ op }) => op));
    expect(OP_NAMES.filter((op) => definitionOf(op).traits.rowWise && !cases.has(op))).toEqual([]);
  });
});

describe("what only moves elements", () => {
  const t = f32(2, 3, 4);
  const MOVING: readonly { op: OpName; attrs: OpAttrs[OpName]; operands: Tensor[]; results?: number }[] = [
    { op: "gather", attrs: { axis: 1 }, operands: [t, i64(2, 0)] },
    { op: "gather-elements", attrs: { axis: 2 }, operands: [t, of("i64", [2, 3, 1], [0, 1, 2, 3, 2, 1])] },
    { op: "gather-nd", attrs: { batchDims: 0 }, operands: [t, of("i64", [2, 2], [1, 2, 0, 1])] },
    { op: "slice", attrs: {}, operands: [t, i64(1), i64(3), i64(2)] },
    { op: "concat", attrs: { axis: 1 }, operands: [t, t] },
    { op: "reshape", attrs: { allowZero: false }, operands: [t, i64(4, 6)] },
    { op: "flatten", attrs: { axis: 2 }, operands: [t] },
    { op: "squeeze", attrs: {}, operands: [f32(1, 24)] },
    { op: "unsqueeze", attrs: {}, operands: [t, i64(1)] },
    { op: "expand", attrs: {}, operands: [t, i64(2, 2, 3, 4)] },
    { op: "tile", attrs: {}, operands: [t, i64(1, 2, 1)] },
    { op: "transpose", attrs: { perm: [2, 0, 1] }, operands: [t] },
    { op: "split", attrs: { axis: 2 }, operands: [t], results: 2 },
    { op: "part", attrs: { axis: 1, start: 1, length: 2 }, operands: [t] },
    {
      op: "where",
      attrs: {},
      operands: [bool(4), t, t],
    },
  ];

  it.each(MOVING)("$op makes its results of elements as they are", ({ op, attrs, operands, results = 1 }) => {
    const { moves, reshapes } = definitionOf(op).traits;
    const moved = operands.filter((_, i) => moves === "all" || moves.includes(i));
    const elements = new Set(moved.flatMap(({ data }) => [...data].map(Number)));
    for (const { data } of run(op, attrs as OpAttrs[typeof op], operands, results)) {
      expect(data.length).toBeGreaterThan(0);
      expect([...data].map(Number).filter((v) => !elements.has(v))).toEqual([]);
      if (reshapes) expect([...data]).toEqual([...(operands[0] as Tensor).data]);
    }
  });

  it("is all of it tried here", () => {
    const promised = OP_NAMES.filter((op) => definitionOf(op).traits.moves.length > 0);
    expect([...promised].sort()).toEqual(MOVING.map(({ op }) => op).sort());
  });
});

describe("the form of operations", () => {
  it("has the operands that traits speak of", () => {
    for (const op of OP_NAMES) {
      const { operands, traits } = definitionOf(op);
      for (const named of [traits.moves, traits.narrow?.reads ?? []]) {
        if (named !== "all") expect(Math.max(-1, ...named)).toBeLessThan(operands[1]);
      }
    }
  });
});
