import { elementCount, type Shape } from "../../ir/dim.js";
import { type Graph, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { Builder } from "../gradient/builder.js";
import { differentiate } from "../gradient/differentiate.js";
import { GraphEditor } from "../rewrite/graph-editor.js";
import { ADAM, type AdamOptions, adam } from "./adam.js";
import type { StepProgram } from "./engine/engine.js";
import { type Parameter, parametersOf } from "./parameters.js";

/** Inputs of a step besides the model's own and the state: f32 of one element each. */
export const STEP_INPUTS = {
  /** What every rate is multiplied with: warm-up and decay. */
  schedule: "step.schedule",
  correction1: "step.correction1",
  correction2: "step.correction2",
} as const;

export interface StepOptions {
  /** Rates of Adam: of the latent weights in units of their row's scale, and of everything else. */
  readonly latentRate: number;
  readonly rate: number;
  /** The largest norm that the gradient of all parameters together keeps. */
  readonly clip: number;
  readonly adam: AdamOptions;
}

/** What the shapes model was distilled with; a scale is about .07 there. */
export const STEP_OPTIONS: StepOptions = { latentRate: 0.014, rate: 2e-4, clip: 1, adam: ADAM };

/** A state value of the student's: the parameter that it belongs to and what it is of it. */
export interface Trained {
  readonly id: ValueId;
  readonly parameter: Parameter;
  /** latent: u, the weight in units of its row's scale [n, k]; scale: s [n]; plain: the parameter itself. */
  readonly kind: "latent" | "scale" | "plain";
  readonly shape: readonly number[];
}

export interface TrainingStep extends StepProgram {
  /** What is trained; Adam's moments of each are state too, and begin at 0. */
  readonly trained: readonly Trained[];
  /** Results of one element: the mean squared distance of the velocities, */
  readonly loss: ValueId;
  /** and the norm of the gradient of all parameters together, before it is clipped. */
  readonly norm: ValueId;
}

/**
 * One step of distillation as one graph: teacher and student read the same batch, the loss is the mean squared distance of
 * what they predict, and the student's parameters move against its gradient.
 *
 * The weights of the blocks' linears are s·clip(round(u), −1, 1) in the student. The gradient passes the rounding as if it were
 * not there (straight-through): du = dW·s, ds = Σ dW·t along the row.
 *
 * @param teacher a graph of known sizes; see `bindSizes`
 */
export function trainingStep(teacher: Graph, options: StepOptions = STEP_OPTIONS): TrainingStep {
  const inputs = [...teacher.inputs];
  const parameters = parametersOf(teacher);
  const trained = parameters.flatMap(trainedOf);
  const types = new Map(teacher.types);
  const input = (id: ValueId, shape: Shape) => {
    inputs.push(id);
    types.set(id, { dtype: "f32", shape });
  };
  for (const id of Object.values(STEP_INPUTS)) input(id, []);
  for (const { id, shape } of trained) for (const name of [id, ...momentsOf(id)]) input(name, shape);
  const editor = new GraphEditor({ ...teacher, inputs, types, outputs: [] });
  const b = new Builder(editor);

  const weights = new Map(parameters.map((parameter) => [parameter.id, effective(b, parameter)]));
  const student = copyNodes(editor, teacher, (id) => weights.get(id)?.value ?? id);
  const loss = distance(b, teacher, student);
  const gradients = differentiate(
    editor,
    loss,
    [...weights.values()].map(({ value }) => value),
  );
  const slopes = parameters.flatMap((parameter) => {
    const weight = weights.get(parameter.id);
    const gradient = gradients.get(weight?.value ?? "");
    if (weight === undefined || gradient === undefined) throw new Error(`${parameter.id} has no gradient`);
    if (weight.codes === undefined) return [gradient];
    const [rows = 1] = parameter.constant.shape;
    const scales = b.reshape(scaleId(parameter), [rows, 1]);
    const along = b.reduce("sum", b.mul(gradient, weight.codes), [1], false);
    return [b.mul(gradient, scales), along];
  });
  const norm = b.unary(
    "sqrt",
    slopes.map((g) => b.sumSquares(g)).reduce((x, y) => b.add(x, y)),
  );
  const factor = b.binary("min", b.div(options.clip, b.add(norm, 1e-12)), 1);

  const state = trained.flatMap(({ id, kind }, i) => {
    const [first, second] = momentsOf(id);
    const rate = b.mul(STEP_INPUTS.schedule, kind === "latent" ? options.latentRate : options.rate);
    const { correction1, correction2 } = STEP_INPUTS;
    const gradient = b.mul(slopes[i] ?? "", factor);
    const next = adam(
      b,
      { parameter: id, gradient, first, second, rate, correction1, correction2 },
      options.adam,
    );
    return [
      { input: id, output: next.parameter },
      { input: first, output: next.first },
      { input: second, output: next.second },
    ];
  });
  for (const { output } of state) editor.addOutput(output);
  for (const id of [loss, norm]) editor.addOutput(id);
  const { model: _, ...graph } = editor.finish();
  return { graph, state, trained, loss, norm };
}

/** The names of Adam's moments of a state value. */
export function momentsOf(id: ValueId): readonly [first: ValueId, second: ValueId] {
  return [`${id}.first`, `${id}.second`];
}

function scaleId({ id }: Parameter): ValueId {
  return `${id}.scale`;
}

function trainedOf(parameter: Parameter): readonly Trained[] {
  const { id, constant, ternary } = parameter;
  const { shape } = constant;
  if (!ternary) return [{ id: `${id}.value`, parameter, kind: "plain", shape }];
  return [
    { id: `${id}.latent`, parameter, kind: "latent", shape },
    { id: scaleId(parameter), parameter, kind: "scale", shape: shape.slice(0, 1) },
  ];
}

/** The value that the student computes with; with the codes of a ternary weight. */
function effective(b: Builder, parameter: Parameter): { readonly value: ValueId; readonly codes?: ValueId } {
  const { id, constant, ternary } = parameter;
  if (!ternary) return { value: `${id}.value` };
  const [rows = 1] = constant.shape;
  const rounded = b.unary("round", `${id}.latent`);
  const codes = b.binary("min", b.binary("max", rounded, -1), 1);
  return { value: b.mul(codes, b.reshape(scaleId(parameter), [rows, 1])), codes };
}

/** Adds the nodes once more, on other operands; gives what each value of the graph is there. */
function copyNodes(
  editor: GraphEditor,
  graph: Graph,
  operand: (id: ValueId) => ValueId,
): (id: ValueId) => ValueId {
  const copies = new Map<ValueId, ValueId>();
  const now = (id: ValueId) => copies.get(id) ?? operand(id);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => (id === null ? null : now(id)));
    const outputs = node.outputs.map((id) => editor.freshId(id));
    for (const [i, id] of node.outputs.entries()) copies.set(id, outputs[i] ?? id);
    editor.addNode({ ...node, inputs, outputs });
  }
  return now;
}

/** The mean over all elements of (student − teacher)². */
function distance(b: Builder, teacher: Graph, student: (id: ValueId) => ValueId): ValueId {
  const [velocity] = teacher.outputs;
  if (velocity === undefined) throw new Error("a model without a result");
  const difference = b.sub(student(velocity), velocity);
  const count = Number(elementCount(shapeOf(teacher, velocity)));
  return b.mul(b.sumSquares(difference), 1 / count);
}
