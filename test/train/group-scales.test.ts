/** Weights whose rows have a scale for each group of inputs, the last of which is shorter. */
import { describe, expect, it } from "vitest";
import { momentsOf } from "../../compiler/train/adam.js";
import { STEP_INPUTS, STEP_OPTIONS } from "../../compiler/train/descend.js";
import { initialValues } from "../../compiler/train/initial-values.js";
import { parametersOf } from "../../compiler/train/parameters.js";
import { requireMemory, trainingBytes } from "../../compiler/train/require-memory.js";
import { codesOf, EXACT_START } from "../../compiler/train/start.js";
import { type TrainingStep, trainingStep } from "../../compiler/train/step-graph.js";
import { fittedTernary, storedTernary } from "../../compiler/train/ternary-weight.js";
import type { Constant } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { readConstant } from "../../ir/constant/read.js";
import type { Graph, ValueId } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { normals } from "../support/random.js";

const [ROWS, WIDTH, GROUP, TOKENS] = [3, 70, 32, 5] as const;
const GROUPS = 3;
const none = {
  read(): never {
    throw new Error("all is in memory");
  },
};
const floats = (shape: readonly number[], data: Float32Array): Constant => ({
  ...{ dtype: "f32", shape },
  source: { kind: "inline", bytes: encodeBytes("f32", data) },
});
const next = normals(8);
const weight = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => 0.03 * (1 + (i % 7)) * next());
const x: Tensor = {
  ...{ dtype: "f32", shape: [TOKENS, WIDTH] },
  data: Float64Array.from({ length: TOKENS * WIDTH }, next),
};
const linear = (role: string): Graph => ({
  name: "one",
  inputs: ["x"],
  outputs: ["y"],
  types: new Map([
    ["x", { dtype: "f32", shape: [TOKENS, WIDTH] }],
    ["w", { dtype: "f32", shape: [ROWS, WIDTH] }],
    ["y", { dtype: "f32", shape: [TOKENS, ROWS] }],
  ]),
  constants: new Map([["w", floats([ROWS, WIDTH], weight)]]),
  nodes: [
    {
      ...{ op: "linear", inputs: ["x", "w", null], outputs: ["y"], name: "y" },
      attrs: { role, activation: "none", gated: false },
    },
  ],
});
const teacher = linear("double.0.img.q");
const numbers = (tensor: Tensor | undefined) => Array.from(tensor?.data ?? [], Number);
/** Where the scale of an element lies. */
const scaleAt = (i: number) => Math.floor(i / WIDTH) * GROUPS + Math.floor((i % WIDTH) / GROUP);
const code = (u: number) => (Math.abs(u) > 0.5 ? Math.sign(u) : 0);

/** The loss of s·t against the teacher's weights, in plain arithmetic. */
function lossOf(values: readonly number[]): number {
  let sum = 0;
  for (let token = 0; token < TOKENS; token++) {
    for (let row = 0; row < ROWS; row++) {
      let y = 0;
      for (let j = 0; j < WIDTH; j++)
        y += numbers(x)[token * WIDTH + j]! * (values[row * WIDTH + j]! - weight[row * WIDTH + j]!);
      sum += y * y;
    }
  }
  return sum / (TOKENS * ROWS);
}

/** A step whose first moments are gradients, times 1 − β₁. */
function taken(step: TrainingStep): (id: ValueId) => readonly number[] {
  const state = new Map<ValueId, Tensor>();
  const initial = initialValues(step.trained, none);
  for (const { input } of step.state) {
    const value = initial(input);
    state.set(input, { ...value, data: Float64Array.from(value.data as Float32Array) });
  }
  const one: Tensor = { dtype: "f32", shape: [], data: Float64Array.of(1) };
  const feeds = new Map([["x", x], ...state, ...Object.values(STEP_INPUTS).map((id) => [id, one] as const)]);
  const after = interpret(step.graph, feeds, { reader: none, precision: "f64" });
  return (id) => {
    if (id === "loss") return numbers(after.get(step.loss));
    if (state.has(id) && !id.includes("first")) return numbers(state.get(id));
    return numbers(after.get(step.state.find(({ input }) => input === id)?.output ?? ""));
  };
}

const options = { ...STEP_OPTIONS, clip: 1e9 };
const gradientOf = (found: (id: ValueId) => readonly number[], id: ValueId) =>
  found(momentsOf(id)[0]).map((moment) => moment / (1 - options.adam.beta1));

describe("a step with scales of groups", () => {
  const found = taken(trainingStep(teacher, options, undefined, { group: GROUP }));
  const [u, scales] = [found("w.latent"), found("w.scale")];
  const effective = u.map((value, i) => code(value) * scales[scaleAt(i)]!);

  it("begins with the scale that fits each group best", () => {
    expect(scales.length).toBe(ROWS * GROUPS);
    for (let s = 0; s < scales.length; s++) {
      const own = Array.from(weight).flatMap((w, i) => (scaleAt(i) === s ? [Math.abs(w)] : []));
      expect(own.length).toBe(s % GROUPS === GROUPS - 1 ? WIDTH - 2 * GROUP : GROUP);
      const best = own.sort((a, b) => b - a).map((_, k) => own.slice(0, k + 1).reduce((a, b) => a + b));
      const gains = best.map((sum, k) => sum ** 2 / (k + 1));
      const k = gains.indexOf(Math.max(...gains));
      expect(scales[s]).toBeCloseTo(best[k]! / (k + 1), 5);
    }
    for (const [i, w] of weight.entries()) expect(u[i]! * scales[scaleAt(i)]!).toBeCloseTo(w, 4);
  });

  it("computes with them, and has their gradients and those of weights", () => {
    expect(found("loss")[0]).toBeCloseTo(lossOf(effective), 6);
    const slope = (of: (change: number) => readonly number[]) =>
      (lossOf(of(1e-5)) - lossOf(of(-1e-5))) / 2e-5;
    const ofScales = gradientOf(found, "w.scale");
    for (const [s, g] of ofScales.entries()) {
      const moved = (change: number) =>
        effective.map((w, i) => w + (scaleAt(i) === s ? change * code(u[i]!) : 0));
      expect(g).toBeCloseTo(slope(moved), 5);
    }
    const ofLatents = gradientOf(found, "w.latent");
    for (let i = 0; i < ofLatents.length; i += 11) {
      const moved = (change: number) => effective.map((w, j) => w + (i === j ? change : 0));
      expect(ofLatents[i]).toBeCloseTo(slope(moved) * scales[scaleAt(i)]!, 5);
    }
  });

  it("has the same gradients of scales where codes are frozen", () => {
    const codes = codesOf(parametersOf(teacher, GROUP), EXACT_START);
    const step = trainingStep(teacher, options, undefined, { group: GROUP, codes });
    expect(step.trained.map(({ id }) => id)).toEqual(["w.scale"]);
    const frozen = taken(step);
    expect(frozen("loss")[0]).toBeCloseTo(lossOf(effective), 6);
    const expected = gradientOf(found, "w.scale");
    for (const [s, g] of gradientOf(frozen, "w.scale").entries()) expect(g).toBeCloseTo(expected[s]!, 9);
    const bytes = 4 * ROWS * WIDTH + 24 * ROWS * GROUPS + 5 * ROWS * WIDTH;
    expect(trainingBytes(step.trained)).toBe(bytes);
    expect(() => requireMemory(step.trained, bytes)).not.toThrow();
  });

  it("has none where rows are no longer, or are no weights of blocks", () => {
    const shapes = (graph: Graph, group: 32 | 256) =>
      trainingStep(graph, options, undefined, { group }).trained.map(({ shape }) => shape);
    expect(shapes(teacher, 32)[1]).toEqual([ROWS, GROUPS]);
    expect(shapes(teacher, 256)[1]).toEqual([ROWS]);
    expect(shapes(linear("x_embedder"), 32)).toEqual([[ROWS, WIDTH]]);
  });
});

it("codes and scales of groups are read as a file has them, whichever way it turns them", () => {
  const of = floats(
    [2, 40],
    Float32Array.from({ length: 80 }, (_, i) => (i % 3) - 1),
  );
  const scale = Float32Array.of(1, 2, 3, 4);
  const stored = (axis: 0 | 1): Constant => ({
    ...{ dtype: "f32", shape: axis === 1 ? [2, 40] : [40, 2] },
    source: {
      ...{ kind: "dequantize", zeroPoint: null, axis, blockSize: 32 },
      codes: axis === 1 ? of : { ...of, shape: [40, 2] },
      scale: floats([2, 2], scale),
    },
  });
  const turned: Constant = { dtype: "f32", shape: [2, 40], source: { kind: "transpose", of: stored(0) } };
  const read = (weight: Constant) => {
    const found = storedTernary(weight, 32);
    if (found === undefined) throw new Error("not stored so");
    return [found.codes, found.scales].map((constant) =>
      Array.from(readConstant(constant, none).data, Number),
    );
  };
  expect(read(stored(1))[1]).toEqual([1, 2, 3, 4]);
  expect(read(turned)[1]).toEqual([1, 3, 2, 4]);
  for (const weight of [stored(1), turned]) {
    const [codes = [], scales = []] = read(weight);
    const values = readConstant(weight, none).data;
    for (const [i, t] of codes.entries())
      expect(values[i]).toBe(t * scales[Math.floor(i / 40) * 2 + Math.floor((i % 40) / 32)]!);
    const fitted = fittedTernary(weight, 32);
    expect(Array.from(readConstant(fitted.scales, none).data, Number)).toEqual(scales);
    expect(Array.from(readConstant(fitted.codes, none).data, Number)).toEqual(codes);
  }
  expect(storedTernary(stored(1))).toBeUndefined();
  expect(storedTernary(stored(1), 64)).toBeUndefined();
});
