import { elementCount } from "../../ir/dim.js";
import { type Graph, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { Builder } from "../gradient/builder.js";
import { differentiate } from "../gradient/differentiate.js";
import { GraphEditor } from "../rewrite/graph-editor.js";
import { ADAM, Adam, type AdamOptions, momentsOf } from "./adam.js";
import type { StepProgram } from "./engine/engine.js";
import { parametersOf } from "./parameters.js";
import { copyNodes, effective, straightThrough, type Trained, trainedOf } from "./student.js";

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
 * @param teacher a graph of known sizes; see `bindSizes`
 */
export function trainingStep(teacher: Graph, options: StepOptions = STEP_OPTIONS): TrainingStep {
  const parameters = parametersOf(teacher);
  const trained = parameters.flatMap(trainedOf);
  const editor = new GraphEditor(withInputs(teacher, trained));
  const b = new Builder(editor);
  const weights = new Map(parameters.map((parameter) => [parameter.id, effective(b, parameter)]));
  const student = copyNodes(b, teacher, (id) => weights.get(id)?.value ?? id);
  const loss = distance(b, teacher, student);
  const values = [...weights.values()];
  const gradients = differentiate(
    editor,
    loss,
    values.map(({ value }) => value),
  );
  const slopes = values.flatMap((weight) => straightThrough(b, weight, gradients.get(weight.value) ?? ""));
  const squares = slopes.map((slope) => b.sumSquares(slope)).reduce((sum, square) => b.add(sum, square));
  const norm = b.unary("sqrt", squares);
  const factor = b.binary("min", b.div(options.clip, b.add(norm, 1e-12)), 1);
  const { schedule, ...corrections } = STEP_INPUTS;
  const adam = new Adam(b, options.adam, { factor, ...corrections });
  const [rate, latentRate] = [options.rate, options.latentRate].map((r) => b.mul(schedule, r));
  const state = trained.flatMap(({ id, kind }, i) =>
    adam.update(id, slopes[i] ?? "", (kind === "latent" ? latentRate : rate) ?? ""),
  );
  for (const { output } of state) editor.addOutput(output);
  for (const id of [loss, norm]) editor.addOutput(id);
  const { model: _, ...graph } = editor.finish();
  return { graph, state, trained, loss, norm };
}

/** The teacher with what a step is fed besides, and no outputs yet. */
function withInputs(teacher: Graph, trained: readonly Trained[]): Graph {
  const state = trained.flatMap(({ id, shape }) =>
    [id, ...momentsOf(id)].map((name) => [name, shape] as const),
  );
  const added = [...Object.values(STEP_INPUTS).map((id) => [id, []] as const), ...state];
  const types = new Map(teacher.types);
  for (const [id, shape] of added) types.set(id, { dtype: "f32", shape });
  return { ...teacher, inputs: [...teacher.inputs, ...added.map(([id]) => id)], types, outputs: [] };
}

/** The mean over all elements of (student − teacher)². */
function distance(b: Builder, teacher: Graph, student: (id: ValueId) => ValueId): ValueId {
  const [velocity] = teacher.outputs;
  if (velocity === undefined) throw new Error("a model without a result");
  const difference = b.sub(student(velocity), velocity);
  const count = Number(elementCount(shapeOf(teacher, velocity)));
  return b.mul(b.sumSquares(difference), 1 / count);
}
