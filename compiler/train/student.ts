import type { Constant } from "../../ir/constant/constant.js";
import type { Graph, NodeOf, ValueId } from "../../ir/graph/graph.js";
import { scalesShape } from "../../ir/ternary/groups.js";
import type { Builder } from "../gradient/builder.js";
import { scaledByGroups, sumOfGroups } from "./group-scales.js";
import type { Parameter } from "./parameters.js";

/** A state value of the student's: the parameter that it belongs to and what it is of it. */
export interface Trained {
  readonly id: ValueId;
  readonly parameter: Parameter;
  /** latent: u, the weight in units of its scale [n, k]; scale: s [n], or [n, groups]; plain: the parameter itself. */
  readonly kind: "latent" | "scale" | "plain";
  readonly shape: readonly number[];
}

/** What of a parameter is trained. */
export function trainedOf(parameter: Parameter): readonly Trained[] {
  const { id, constant, ternary, group } = parameter;
  const { shape } = constant;
  if (!ternary) return [{ id: `${id}.value`, parameter, kind: "plain", shape }];
  return [
    { id: `${id}.latent`, parameter, kind: "latent", shape },
    { id: scaleId(parameter), parameter, kind: "scale", shape: scalesShape(shape, group) },
  ];
}

/** The same of all parameters, but for what makes codes where these are frozen. */
export function trainedIn(parameters: readonly Parameter[], areFrozen: boolean): readonly Trained[] {
  const all = parameters.flatMap((parameter) => trainedOf(parameter));
  return areFrozen ? all.filter(({ kind }) => kind !== "latent") : all;
}

/** A parameter as the student computes with it. */
export interface Effective {
  readonly parameter: Parameter;
  readonly value: ValueId;
  /** Of a ternary weight that is made of them. */
  readonly codes?: ValueId;
  /** Whether these are trained too. */
  readonly frozen?: boolean;
}

/**
 * The parameter itself, or s·clip(round(u), −1, 1). Where codes are frozen, s·t for groups, and for rows s alone, which results are
 * multiplied with.
 */
function effective(b: Builder, parameter: Parameter, stored: Constant | undefined): Effective {
  const { id, ternary, group } = parameter;
  if (!ternary) return { parameter, value: `${id}.value` };
  if (stored !== undefined && group === null) return { parameter, value: scaleId(parameter) };
  const codes = stored === undefined ? roundedCodes(b, `${id}.latent`) : frozenCodes(b, stored);
  return { parameter, value: scaled(b, parameter, codes), codes, frozen: stored !== undefined };
}

function roundedCodes(b: Builder, latent: ValueId): ValueId {
  return b.binary("min", b.binary("max", b.unary("round", latent), -1), 1);
}

function frozenCodes(b: Builder, codes: Constant): ValueId {
  const stored = b.editor.namedConstant(b.editor.freshId("codes"), codes);
  return b.editor.add("cast", [stored], { to: "f32" });
}

/**
 * Gradients of what `trainedOf` names, from that of the value. It passes the rounding as if it were not there
 * (straight-through): du = dW·s, ds = Σ dW·t along the row, or group.
 */
export function straightThrough(
  b: Builder,
  { parameter, codes, frozen }: Effective,
  gradient: ValueId,
): readonly ValueId[] {
  if (codes === undefined) return [gradient];
  const along = sumOfGroups(b, b.mul(gradient, codes), parameter.group);
  return frozen === true ? [along] : [scaled(b, parameter, gradient), along];
}

function scaleId({ id }: Parameter): ValueId {
  return `${id}.scale`;
}

/** s·x, for a matrix [n, k] such as the weight. */
function scaled(b: Builder, parameter: Parameter, x: ValueId): ValueId {
  return scaledByGroups(b, x, scaleId(parameter), parameter.group);
}

/** A copy of a teacher's graph that computes with what is trained. */
export interface Student {
  readonly weights: readonly Effective[];
  /** What a value of the teacher's is in the student. */
  value(id: ValueId): ValueId;
}

/** @param codes of the ternary weights, by their names, where they are frozen */
export function studentOf(
  b: Builder,
  teacher: Graph,
  parameters: readonly Parameter[],
  codes?: FrozenCodes,
): Student {
  const weights = new Map(
    parameters.map((parameter) => [parameter.id, effective(b, parameter, codes?.get(parameter.id))]),
  );
  const byRow = new Map(
    parameters.flatMap(({ id, group }) => {
      const frozen = codes?.get(id);
      return group === null && frozen !== undefined ? [[id, frozen] as const] : [];
    }),
  );
  const value = copyNodes(b, teacher, (id) => weights.get(id)?.value ?? id, byRow);
  return { weights: [...weights.values()], value };
}

/** Codes in {-1, 0, 1} of ternary weights [n, k], by the weights' names. */
export type FrozenCodes = ReadonlyMap<ValueId, Constant>;

/** Adds a graph's nodes once more, on other operands; gives what each of its values is there. */
function copyNodes(
  b: Builder,
  graph: Graph,
  operand: (id: ValueId) => ValueId,
  codes: FrozenCodes,
): (id: ValueId) => ValueId {
  const copies = new Map<ValueId, ValueId>();
  const now = (id: ValueId) => copies.get(id) ?? operand(id);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => (id === null ? null : now(id)));
    const frozen = codes.get(node.inputs[1] ?? "");
    if (node.op === "linear" && frozen !== undefined) {
      copies.set(node.outputs[0] ?? "", scaledLinear(b, { ...node, inputs }, frozen));
      continue;
    }
    const outputs = node.outputs.map((id) => b.editor.freshId(id));
    for (const [i, id] of node.outputs.entries()) copies.set(id, outputs[i] ?? id);
    b.editor.addNode({ ...node, inputs, outputs });
  }
  return now;
}

/** (x·Tᵀ)·s + b: the gradient of s needs none of the weight, Σ g·(x·Tᵀ) over the tokens. */
function scaledLinear(b: Builder, { inputs, attrs }: NodeOf<"linear">, codes: Constant): ValueId {
  const [x = null, scales, bias = null] = inputs;
  const product = b.editor.add("linear", [x, frozenCodes(b, codes), null], attrs);
  const scaled = b.mul(product, scales ?? "");
  return bias === null ? scaled : b.add(scaled, bias);
}
