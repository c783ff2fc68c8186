import type { Graph, ValueId, ValueType } from "../../ir/graph/graph.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import { Builder } from "../gradient/builder.js";
import { GraphEditor } from "../rewrite/graph-editor.js";
import { momentsOf } from "./adam.js";
import { descend, STEP_INPUTS, STEP_OPTIONS, type StepOptions } from "./descend.js";
import type { StepProgram } from "./engine/engine.js";
import { type Loss, towardsTeacher } from "./loss.js";
import { parametersOf } from "./parameters.js";
import { type FrozenCodes, studentOf, type Trained, trainedIn } from "./student.js";

export interface TrainingStep extends StepProgram {
  /** What is trained; Adam's moments of each are state too, and begin at 0. */
  readonly trained: readonly Trained[];
  /** Results of one element: how far the student is from what it learns, */
  readonly loss: ValueId;
  /** and the norm of the gradient of all parameters together, before it is clipped. */
  readonly norm: ValueId;
}

/**
 * One step of distillation as one graph: the student, a copy of the teacher on what is trained, reads a batch, and its
 * parameters move against the gradient of the loss. What of the teacher itself the loss does not need is not computed.
 *
 * @param teacher a graph of known sizes; see `bindSizes`
 * @param loss the distance of what both predict, if absent
 * @param student what its ternary weights are
 */
export function trainingStep(
  teacher: Graph,
  options: StepOptions = STEP_OPTIONS,
  loss: Loss = towardsTeacher(teacher),
  { group = null, codes }: StudentForm = {},
): TrainingStep {
  const parameters = parametersOf(teacher, group);
  const trained = trainedIn(parameters, codes !== undefined);
  const b = new Builder(new GraphEditor(withInputs(teacher, trained, loss)));
  const student = studentOf(b, teacher, parameters, codes);
  const distance = loss.write(b, student.value);
  const { state, norm } = descend(b, distance, student.weights, trained, options);
  for (const { output } of state) b.editor.addOutput(output);
  for (const id of [distance, norm]) b.editor.addOutput(id);
  const { model: _, ...graph } = b.editor.finish();
  return { graph, state, trained, loss: distance, norm };
}

export interface StudentForm {
  /** Inputs of a row that share a scale; all of them if absent. */
  readonly group?: GroupSize | null;
  /** Where given, codes stay what they are, and scales and all else is trained. */
  readonly codes?: FrozenCodes | undefined;
}

/** The teacher with what a step is fed besides, and no outputs yet. */
function withInputs(teacher: Graph, trained: readonly Trained[], loss: Loss): Graph {
  const single = (id: ValueId, shape: readonly number[]): [ValueId, ValueType] => [
    id,
    { dtype: "f32", shape },
  ];
  const added = new Map([
    ...loss.inputs,
    ...Object.values(STEP_INPUTS).map((id) => single(id, [])),
    ...trained.flatMap(({ id, shape }) => [id, ...momentsOf(id)].map((name) => single(name, shape))),
  ]);
  const types = new Map([...teacher.types, ...added]);
  return { ...teacher, inputs: [...teacher.inputs, ...added.keys()], types, outputs: [] };
}
