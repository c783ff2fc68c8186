import { type Dim, substituteDim } from "../../ir/dim.js";
import { type Graph, STEPS, type ValueId } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { inputOf, roleOf } from "../../ir/models/index.js";
import type { ProgramPort } from "../../ir/program/program.js";
import { UPDATE_RULES } from "../../ir/sampling/rules/index.js";
import { coefficientPort, type Update } from "../../ir/sampling/update-rule.js";
import type { Placement } from "../analysis/step-invariant.js";
import { copy } from "./elementwise.js";
import { Lowering, PLAIN } from "./lowering.js";
import { lowerNodes } from "./nodes.js";
import { columnsOf, type Operand, rowsOf } from "./operand.js";

/** The input that changes from evaluation to evaluation, if the graph has one. */
export function sampleOf(graph: Graph): ValueId | undefined {
  return graph.inputs.find((id) => {
    const role = roleOf(graph.model, id);
    return role !== null && inputOf(role).varies === "evaluation";
  });
}

/**
 * The updates of every sampler, each a phase. Where the model reads more channels than it predicts (inpainting), the first
 * channels are the sample. Returns a port for each coefficient; none for a graph that nobody samples.
 */
export function lowerUpdates(model: Lowering): readonly ProgramPort[] {
  const { graph } = model;
  const latents = sampleOf(graph);
  const [predicted] = graph.outputs;
  if (latents === undefined || predicted === undefined) return [];
  const matrix = (operand: Operand, shape: readonly [Dim, Dim]): Operand => ({ ...operand, shape });
  const velocity = model.operand(predicted);
  const shape = [rowsOf(velocity.shape), columnsOf(velocity.shape)] as const;
  const coefficients = new Map<string, Operand>();
  for (const [sampler, { updates }] of Object.entries(UPDATE_RULES)) {
    const kept = new Map([["sample", matrix(model.operand(latents), shape)]]);
    for (const name of updates.flatMap(({ writes }) => writes)) {
      if (!kept.has(name)) kept.set(name, model.buffer(`${sampler}.${name}`, "f32", shape, "state"));
    }
    for (const update of updates) {
      const values = (name: string): Operand => {
        if (name === "velocity") return matrix(velocity, shape);
        const known = kept.get(name) ?? coefficients.get(name);
        if (known !== undefined) return known;
        const coefficient = model.buffer(coefficientPort(name), "f32", [STEPS], "host");
        coefficients.set(name, coefficient);
        return coefficient;
      };
      lowerUpdate(model, update, shape, values, kept);
    }
  }
  return [...coefficients].map(([name, { buffer }]) => ({
    name: coefficientPort(name),
    role: "coefficient",
    buffer,
    dtype: "f32",
    shape: [STEPS],
    batchAxis: null,
  }));
}

function lowerUpdate(
  model: Lowering,
  { name: phase, graph: text, writes }: Update,
  [rows, channels]: readonly [Dim, Dim],
  values: (name: string) => Operand,
  kept: ReadonlyMap<string, Operand>,
): void {
  const graph = withSizes(parseGraph(text, phase), { rows, channels });
  const placements = new Map<string, Placement>();
  for (const id of graph.inputs) {
    const coefficient = id !== "velocity" && !kept.has(id);
    placements.set(id, { phase: coefficient ? "prompt" : phase, perStep: coefficient });
  }
  for (const id of graph.nodes.flatMap(({ outputs }) => outputs))
    placements.set(id, { phase, perStep: false });
  const lowering = new Lowering(model.draft, graph, { ...PLAIN, placements });
  for (const id of graph.inputs) lowering.alias(id, values(id));
  lowerNodes(lowering);
  lowering.during(phase, phase, () => {
    // All that is to be written is computed, or put aside, before anything is overwritten.
    const results = graph.outputs.map((id) => {
      const result = lowering.operand(id);
      if (!kept.has(id)) return result;
      const aside = lowering.temporary(result.dtype, result.shape);
      copy(lowering, result, aside);
      return aside;
    });
    for (const [i, name] of writes.entries()) {
      const [from, to] = [results[i], kept.get(name)];
      if (from === undefined || to === undefined) throw new Error(`${phase}: nothing becomes ${name}`);
      copy(lowering, from, to);
    }
  });
}

function withSizes(graph: Graph, sizes: Readonly<Record<string, Dim>>): Graph {
  const types = [...graph.types].map(([id, type]) => {
    const shape = type.shape?.map((dim) => substituteDim(dim, sizes)) ?? null;
    return [id, { ...type, shape }] as const;
  });
  return { ...graph, types: new Map(types) };
}
