import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { batchAxesOf, recognize } from "../../compiler/recognize/recognition.js";
import { momentsOf } from "../../compiler/train/adam.js";
import { bindSizes } from "../../compiler/train/bind-sizes.js";
import { atWidth, STEP_INPUTS, STEP_OPTIONS } from "../../compiler/train/descend.js";
import { initialValues } from "../../compiler/train/initial-values.js";
import { targetOf, towardsTargets } from "../../compiler/train/loss.js";
import { parametersOf } from "../../compiler/train/parameters.js";
import { stepNumbers } from "../../compiler/train/rate-schedule.js";
import { requireMemory, trainingBytes } from "../../compiler/train/require-memory.js";
import { codesOf, EXACT_START } from "../../compiler/train/start.js";
import { trainingStep } from "../../compiler/train/step-graph.js";
import type { Trained } from "../../compiler/train/student.js";
import { constantReader } from "../../ir/constant/read.js";
import { type Graph, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { normals } from "../support/random.js";

const BATCH = 2;
const file = join(import.meta.dirname, "../models/import/optimum-dev");
const reader = fileReader();
const imported = importModel(file);
const recognized = recognize(imported, reader);
const sizes = { batch: BATCH, symbols: { img_tokens: 4, txt_tokens: 3 } };
const teacher = bindSizes(recognized, batchAxesOf(imported, recognized), sizes);
// Nothing is clipped, so that the first moments are gradients.
const options = { ...STEP_OPTIONS, scaleRate: 3e-4, clip: 1e9 };
const step = trainingStep(teacher, options);
const { beta1, beta2, epsilon } = options.adam;

function wide(shape: readonly number[], next: () => number): Tensor {
  return { dtype: "f32", shape, data: Float64Array.from({ length: countOf(shape) }, next) };
}

function scalar(value: number): Tensor {
  return { dtype: "f32", shape: [], data: Float64Array.of(value) };
}

function numbersOf(tensor: Tensor | undefined): Float64Array {
  if (!(tensor?.data instanceof Float64Array)) throw new Error("a value without numbers");
  return tensor.data;
}

const random = normals(3);
const batch = new Map(
  teacher.inputs.map((id) => {
    const { dtype } = teacher.types.get(id) ?? { dtype: "f32" };
    const shape = shapeOf(teacher, id).map(Number);
    const data = BigInt64Array.from({ length: countOf(shape) }, (_, i) => BigInt(i % 5));
    return [id, dtype === "i64" ? { dtype, shape, data } : wide(shape, random)] as const;
  }),
);
const initial = initialValues(step.trained, reader);
const state = new Map<ValueId, Tensor>();
let after = new Map<ValueId, Tensor>();

beforeAll(() => {
  for (const { id } of step.trained) {
    const value = initial(id);
    const data = Float64Array.from(value.data as Float32Array);
    state.set(id, { ...value, data });
    for (const moment of momentsOf(id)) state.set(moment, { ...value, data: data.map(() => 0) });
  }
  const feeds = new Map([
    ...batch,
    ...state,
    [STEP_INPUTS.schedule, scalar(1)],
    [STEP_INPUTS.correction1, scalar(1 / (1 - beta1))],
    [STEP_INPUTS.correction2, scalar(1 / (1 - beta2))],
  ]);
  after = interpret(step.graph, feeds, { reader, precision: "f64" });
});

/** The weights that the student computes with, by constant, from its state: in plain arithmetic. */
function weightsOf(values: ReadonlyMap<ValueId, Tensor>): Map<ValueId, Tensor> {
  const weights = new Map<ValueId, Tensor>();
  for (const { id, parameter, kind } of step.trained) {
    const value = values.get(id);
    if (value === undefined || kind === "scale") continue;
    const scales = kind === "latent" ? numbersOf(values.get(`${parameter.id}.scale`)) : undefined;
    const [rows = 1] = value.shape;
    const columns = numbersOf(value).length / rows;
    const data = numbersOf(value).map((u, i) => {
      if (scales === undefined) return u;
      return Math.sign(u) * (Math.abs(u) > 0.5 ? 1 : 0) * (scales[Math.floor(i / columns)] ?? 0);
    });
    weights.set(parameter.id, { ...value, data });
  }
  return weights;
}

const [velocity = ""] = teacher.outputs;
const target = numbersOf(interpret(teacher, batch, { reader, precision: "f64" }).get(velocity));

/** The loss of a model with these weights, by its own graph. */
function lossOf(weights: ReadonlyMap<ValueId, Tensor>): number {
  const constants = new Map([...teacher.constants].filter(([id]) => !weights.has(id)));
  const graph: Graph = { ...teacher, constants, inputs: [...teacher.inputs, ...weights.keys()] };
  const found = interpret(graph, new Map([...batch, ...weights]), { reader, precision: "f64" });
  const v = numbersOf(found.get(velocity));
  return v.reduce((sum, x, i) => sum + (x - (target[i] ?? 0)) ** 2, 0) / v.length;
}

/** Slope of a function of one element of a tensor, by central differences. */
function slopeAt(tensor: Tensor | undefined, element: number, of: (moved: Tensor) => number): number {
  const at = (change: number) => {
    const data = numbersOf(tensor).slice();
    data[element] = (data[element] ?? 0) + change;
    return of({ dtype: "f32", shape: tensor?.shape ?? [], data });
  };
  return (at(1e-5) - at(-1e-5)) / 2e-5;
}

/** The output of a step that becomes a state value. */
function next(id: ValueId): Float64Array {
  return numbersOf(after.get(step.state.find(({ input }) => input === id)?.output ?? ""));
}

describe("a training step", () => {
  it("is a graph like any other", () => {
    expect(() => verifyGraph(step.graph)).not.toThrow();
    expect(step.trained.filter(({ kind }) => kind === "latent").length).toBeGreaterThan(10);
  });

  it("loses the mean squared distance of the velocities", () => {
    const loss = numbersOf(after.get(step.loss))[0] ?? 0;
    expect(loss).toBeGreaterThan(1e-4);
    expect(loss).toBeCloseTo(lossOf(weightsOf(state)), 10);
  });

  it("starts each row at the scale that fits it best, its weights in units of it", () => {
    const read = constantReader(reader, {});
    for (const { id, parameter, kind } of step.trained) {
      if (kind !== "latent") continue;
      const u = numbersOf(state.get(id));
      const scales = numbersOf(state.get(`${parameter.id}.scale`));
      const weight = read(teacher.constants.get(parameter.id) ?? parameter.constant).data;
      const columns = u.length / scales.length;
      const row = Math.floor(scales.length / 2);
      for (let i = row * columns; i < (row + 1) * columns; i++)
        expect((u[i] ?? 0) * (scales[row] ?? 0)).toBeCloseTo(Number(weight[i]), 5);
    }
  });

  it.each(["plain", "scale", "latent"] as const)("has the gradient of every %s parameter", (kind) => {
    const all = step.trained.filter((trained) => trained.kind === kind);
    // One element of some, another each time.
    for (let k = 0; k < all.length; k += Math.ceil(all.length / 12)) {
      const { id, parameter } = all[k] as Trained;
      const gradient = next(momentsOf(id)[0]).map((m) => m / (1 - beta1));
      const element = (k * 7) % gradient.length;
      const weights = weightsOf(state);
      let expected: number;
      if (kind === "scale") {
        // The codes stay where the scale moves, since latent weights are in units of it.
        expected = slopeAt(state.get(id), element, (scales) =>
          lossOf(weightsOf(new Map(state).set(id, scales))),
        );
      } else {
        expected = slopeAt(weights.get(parameter.id), element, (weight) =>
          lossOf(new Map(weights).set(parameter.id, weight)),
        );
        // The rounding counts as if it were not there.
        const scales = kind === "latent" ? numbersOf(state.get(`${parameter.id}.scale`)) : [1];
        expected *= scales[Math.floor((element * scales.length) / gradient.length)] ?? 0;
      }
      const largest = gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
      expect(Math.abs((gradient[element] ?? 0) - expected), id).toBeLessThan(1e-8 + 1e-4 * largest);
    }
  });

  it("moves by Adam's rule", () => {
    for (const { id, kind } of step.trained) {
      const [before, moved] = [numbersOf(state.get(id)), next(id)];
      const [first, second] = momentsOf(id).map(next);
      const rate = { latent: options.latentRate, scale: options.scaleRate, plain: options.rate }[kind];
      for (let i = 0; i < before.length; i += 13) {
        const g = (first?.[i] ?? 0) / (1 - beta1);
        expect(second?.[i]).toBeCloseTo((1 - beta2) * g * g, 9);
        // The first step is of one length whatever the gradient.
        expect(moved[i]).toBeCloseTo((before[i] ?? 0) - (rate * g) / (Math.abs(g) + epsilon), 7);
      }
    }
  });

  it("moves rows of wide models by the same share of their results", () => {
    for (const width of [256, 1024, 3072]) {
      const { latentRate, scaleRate, ...others } = atWidth(STEP_OPTIONS, width);
      const { latentRate: u, scaleRate: s, ...unchanged } = STEP_OPTIONS;
      // All inputs of a row together, against a result that grows with their root.
      expect((latentRate * width) / Math.sqrt(width)).toBeCloseTo((u * 256) / Math.sqrt(256), 12);
      expect(scaleRate / Math.sqrt(1 / width)).toBeCloseTo(s / Math.sqrt(1 / 256), 12);
      expect(others).toEqual(unchanged);
    }
    expect(atWidth(STEP_OPTIONS, 64)).toEqual(STEP_OPTIONS);
  });

  it("is fed rates that warm up and fall, and the corrections of its moments", () => {
    const fed = (at: number, steps: number) => {
      const numbers = stepNumbers(at, steps, options.adam);
      return Object.values(STEP_INPUTS).map((id) => Number(numbers.get(id)?.data[0]));
    };
    expect(fed(0, 1000)[0]).toBeCloseTo(0.01, 6);
    expect(fed(99, 1000)[0]).toBeCloseTo(0.901 ** 0.8, 6);
    expect(fed(999, 1000)[0]).toBeCloseTo(0.001 ** 0.8, 6);
    expect([0, 1, 2].map((at) => fed(at, 20)[0])).toEqual(
      [0.5, 0.95 ** 0.8, 0.9 ** 0.8].map((rate) => expect.closeTo(rate, 6)),
    );
    expect(fed(1, 20).slice(1)).toEqual(
      [1 / (1 - beta1 ** 2), 1 / (1 - beta2 ** 2)].map((c) => expect.closeTo(c, 4)),
    );
  });

  it("is refused where its state does not fit", () => {
    const count = (kinds: readonly string[]) =>
      step.trained.reduce((sum, { kind, shape }) => sum + (kinds.includes(kind) ? countOf(shape) : 0), 0);
    const bytes = 4 * count(["plain", "latent"]) + 24 * count(["plain", "latent", "scale"]);
    expect(() => requireMemory(step.trained, bytes)).not.toThrow();
    expect(() => requireMemory(step.trained, bytes - 1)).toThrow(
      expect.objectContaining({ code: "TRITC_E_MEMORY" }),
    );
  });

  it("learns from results that it is fed, without a teacher", () => {
    const fed = trainingStep(teacher, options, towardsTargets(teacher));
    const { value, weight } = targetOf(velocity);
    const feeds = new Map([
      ...batch,
      ...state,
      ...Object.values(STEP_INPUTS).map((id) => [id, scalar(1)] as const),
      [value, { dtype: "f32", shape: shapeOf(teacher, velocity).map(Number), data: target } as const],
      [weight, scalar(3)],
    ]);
    expect(() => verifyGraph(fed.graph)).not.toThrow();
    const found = interpret(fed.graph, feeds, { reader, precision: "f64" });
    for (const id of ["loss", "norm"] as const) {
      const whole = numbersOf(after.get(step[id]))[0] ?? 0;
      expect(numbersOf(found.get(fed[id]))[0]).toBeCloseTo(3 * whole, 8);
    }
    const embeddings = ({ nodes }: Graph) => nodes.filter(({ op }) => op === "timestep-embedding").length;
    expect(embeddings(fed.graph)).toBe(embeddings(step.graph) / 2);
  });

  it("clips the gradient of all parameters together", () => {
    const norm = numbersOf(after.get(step.norm))[0] ?? 0;
    const squares = step.trained.map(({ id }) =>
      next(momentsOf(id)[0]).reduce((sum, m) => sum + (m / (1 - beta1)) ** 2, 0),
    );
    expect(norm).toBeCloseTo(Math.sqrt(squares.reduce((a, b) => a + b, 0)), 6);
    const clipped = trainingStep(teacher, { ...options, clip: norm / 4 });
    const feeds = new Map([
      ...batch,
      ...state,
      ...Object.values(STEP_INPUTS).map((id) => [id, scalar(1)] as const),
    ]);
    const found = interpret(clipped.graph, feeds, { reader, precision: "f64" });
    const { id } = clipped.trained[0] ?? { id: "" };
    const output = clipped.state.find(({ input }) => input === momentsOf(id)[0])?.output ?? "";
    const quarter = numbersOf(found.get(output));
    for (const [i, m] of next(momentsOf(id)[0]).entries()) expect(quarter[i]).toBeCloseTo(m / 4, 7);
  });
});

describe("a training step on frozen codes", () => {
  const codes = codesOf(parametersOf(teacher), EXACT_START);
  const frozen = trainingStep(teacher, options, undefined, { codes });
  let found = new Map<ValueId, Tensor>();
  beforeAll(() => {
    const own = new Set(frozen.graph.inputs);
    const feeds = new Map([...batch, ...[...state].filter(([id]) => own.has(id))]);
    for (const id of Object.values(STEP_INPUTS)) feeds.set(id, scalar(1));
    found = interpret(frozen.graph, feeds, { reader, precision: "f64" });
  });

  it("computes what the ternary student computes", () => {
    expect(() => verifyGraph(frozen.graph)).not.toThrow();
    const [loss = 0, other = 1] = [found.get(frozen.loss), after.get(step.loss)].map(
      (of) => numbersOf(of)[0],
    );
    expect(loss).toBeCloseTo(other, 10);
  });

  it("has the gradient of all that is not a code, and no state of codes", () => {
    expect(frozen.trained).toEqual(step.trained.filter(({ kind }) => kind !== "latent"));
    expect(frozen.state.length).toBe(3 * frozen.trained.length);
    for (const { id } of frozen.trained) {
      const [first = ""] = momentsOf(id);
      const moment = numbersOf(found.get(frozen.state.find(({ input }) => input === first)?.output ?? ""));
      const expected = next(first);
      const largest = expected.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
      for (const [i, g] of moment.entries())
        expect(Math.abs(g - (expected[i] ?? 0)), id).toBeLessThan(1e-12 + 1e-9 * largest);
    }
    const scales = frozen.trained.filter(({ kind }) => kind === "scale");
    for (const { id } of scales.filter((_, i) => i % 5 === 0)) {
      const gradient = numbersOf(
        found.get(frozen.state.find(({ input }) => input === momentsOf(id)[0])?.output ?? ""),
      ).map((m) => m / (1 - beta1));
      const slope = slopeAt(state.get(id), 3, (moved) => lossOf(weightsOf(new Map(state).set(id, moved))));
      const largest = gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
      expect(Math.abs((gradient[3] ?? 0) - slope), id).toBeLessThan(1e-8 + 1e-4 * largest);
    }
  });

  it("computes no gradient of a weight whose codes are frozen", () => {
    const products = ({ nodes }: Graph) => nodes.filter(({ op }) => op === "gemm").length;
    expect(products(step.graph) - products(frozen.graph)).toBe(codes.size);
  });

  it("is refused where teacher, codes and state do not fit", () => {
    const count = (kinds: readonly string[]) =>
      step.trained.reduce((sum, { kind, shape }) => sum + (kinds.includes(kind) ? countOf(shape) : 0), 0);
    const bytes = 4 * count(["plain", "latent"]) + 24 * count(["plain", "scale"]) + 5 * count(["latent"]);
    expect(trainingBytes(frozen.trained)).toBe(bytes);
    expect(() => requireMemory(frozen.trained, bytes - 1)).toThrow(
      expect.objectContaining({ code: "TRITC_E_MEMORY" }),
    );
  });
});
