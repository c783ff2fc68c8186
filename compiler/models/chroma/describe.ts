import { type Graph, type Node, shapeOf, type ValueId } from "../../../ir/graph/graph.js";
import type { InputRole } from "../../../ir/models/index.js";
import type { Described } from "../family.js";
import type { Roles } from "../flux/blocks.js";
import { type FluxForm, findFlux } from "../flux/describe.js";
import { type Conditioning, timestepOf } from "../flux/inputs.js";
import type { FluxWalk, Linear } from "../flux/walk.js";
import { FLUX1_FORM } from "../flux1/describe.js";

/** FLUX.1's blocks, whose modulations are rows of what one network makes of the timestep. */
const FORM: FluxForm = { ...FLUX1_FORM, modulation: () => "time_in.last", conditioning: findApproximator };

/** Finds inputs, blocks and sizes of a Chroma transformer. Throws Unrecognized. */
export function describeChroma(graph: Graph): Described {
  const { model, roles } = findFlux(graph, FORM);
  const timeLayers = [...roles.values()].filter((role) => /^time_in\.\d+\.0$/.test(role)).length;
  return { model: { ...model, family: "chroma", pooledDim: null, timeLayers }, roles };
}

/**
 * x₀ = first(sinusoid of the timestep | constants of each row), xᵢ₊₁ = xᵢ + second(silu(first(rms-norm(xᵢ)))), last(xₙ): a
 * residual network over rows, one for each modulation. Throws Unrecognized.
 */
function findApproximator(walk: FluxWalk, last: Linear | undefined, roles: Roles): Conditioning {
  const layers: (readonly [Linear, Linear])[] = [];
  let x = last?.inputs[0];
  for (let sum = walk.producer(x); sum?.op === "binary" && sum.attrs.fn === "add"; sum = walk.producer(x)) {
    const layer = layerOf(walk, sum);
    if (layer === undefined) throw walk.stop(x, "a residual layer behind the timestep");
    layers.unshift(layer.linears);
    x = layer.input;
  }
  const first = walk.producer(x);
  const joined = first?.op === "linear" ? walk.producer(first.inputs[0]) : undefined;
  if (first?.op !== "linear" || joined?.op !== "concat") {
    throw walk.stop(x, "a linear layer of the timestep's sinusoid and constants of every modulation");
  }
  const varying = varyingParts(walk, joined.outputs[0]);
  if (varying.length !== 1) throw walk.stop(joined.outputs[0], "one sinusoid, beside constants");
  const { input, scale } = timestepOf(walk, varying[0]);
  const mask = textMask(walk);
  const name = (linear: Linear, role: string) => roles.set(linear.outputs[0] ?? "", role);
  name(first, "time_in.first");
  for (const [i, linears] of layers.entries())
    for (const [j, linear] of linears.entries()) name(linear, `time_in.${i}.${j}`);
  if (last !== undefined) name(last, "time_in.last");
  const inputs = new Map<ValueId, InputRole>([[input, "timestep"]]);
  if (mask !== undefined) inputs.set(mask.input, mask.role);
  return { roles: inputs, pooledDim: null, guidance: false, masked: mask !== undefined, scales: [scale] };
}

/** The input by which all attention weakens tokens of the text; undefined where there is none. Throws Unrecognized. */
function textMask(walk: FluxWalk): { readonly input: ValueId; readonly role: InputRole } | undefined {
  const all = walk.graph.nodes.filter((node) => node.op === "attention");
  const [id, ...others] = new Set(all.map(({ inputs }) => inputs[4]));
  if (others.length > 0) throw walk.stop(others[0] ?? id, "one mask of the text, which all attention has");
  if (id == null) return undefined;
  const input = walk.inputOf(id);
  if (input === undefined) throw walk.stop(id, "an input as mask of the text");
  const tokens = all.map(({ inputs: [q] }) => shapeOf(walk.graph, q ?? "").at(-2));
  const isOfAll = tokens.every((count) => count === shapeOf(walk.graph, input).at(-1));
  return { input, role: isOfAll ? "token-mask" : "text-mask" };
}

/** What a value of joined and repeated parts has besides constants. */
function varyingParts(
  walk: FluxWalk,
  id: ValueId | null | undefined,
): readonly (ValueId | null | undefined)[] {
  const node = walk.producer(id);
  if (node?.op === "concat") return node.inputs.flatMap((input) => varyingParts(walk, input));
  if (node?.op === "expand" || node?.op === "reshape") return varyingParts(walk, node.inputs[0]);
  return walk.graph.constants.has(id ?? "") ? [] : [id];
}

/** Of x + second(silu(first(rms-norm(x)))) both linears and x. */
function layerOf(walk: FluxWalk, sum: Node) {
  for (const [id, other] of [sum.inputs, [...sum.inputs].reverse()]) {
    const second = linearOf(walk, id);
    const activated = walk.producer(second?.inputs[0]);
    const first = activated?.op === "silu" ? linearOf(walk, activated.inputs[0]) : undefined;
    const norm = walk.producer(first?.inputs[0]);
    if (second === undefined || first === undefined || norm?.op !== "rms-norm") continue;
    if (norm.inputs[0] === other) return { linears: [first, second] as const, input: other };
  }
  return undefined;
}

function linearOf(walk: FluxWalk, id: ValueId | null | undefined): Linear | undefined {
  const node = walk.producer(id);
  return node?.op === "linear" ? node : undefined;
}
