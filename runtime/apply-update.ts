import { parseGraph } from "../ir/graph/parse.js";
import { interpret } from "../ir/interpret/index.js";
import { UPDATE_RULES } from "../ir/sampling/rules/index.js";
import type { Update } from "../ir/sampling/update-rule.js";
import type { Tensor } from "../ir/tensor.js";

const UPDATES: ReadonlyMap<string, Update> = new Map(
  Object.values(UPDATE_RULES).flatMap(({ updates }) => updates.map((update) => [update.name, update])),
);

/** What an update makes of `kept`, the sample and what else the rule keeps, in the interpreter; `kept` has it then. All are [rows, channels]. */
export function applyUpdate(
  name: string,
  kept: Map<string, Float32Array>,
  velocity: Float32Array,
  coefficients: Readonly<Record<string, number>>,
  shape: readonly [rows: number, channels: number],
): void {
  const [, channels] = shape;
  const update = UPDATES.get(name);
  if (update === undefined) throw new Error(`there is no update ${name}`);
  const graph = parseGraph(update.graph, name);
  const inputs = graph.inputs.map((id): [string, Tensor] => {
    const coefficient = coefficients[id];
    // A gate has an element for each channel.
    if (coefficient !== undefined) {
      const data = new Float32Array(channels).fill(coefficient);
      return [id, { dtype: "f32", shape: [1, channels], data }];
    }
    const data = id === "velocity" ? velocity : kept.get(id);
    return [id, { dtype: "f32", shape, data: data ?? new Float32Array(velocity.length) }];
  });
  const results = interpret(graph, new Map(inputs), { reader: NO_FILES });
  for (const [i, id] of graph.outputs.entries()) {
    const data = results.get(id)?.data;
    if (data !== undefined) kept.set(update.writes[i] ?? "", Float32Array.from(data, Number));
  }
}

/** Updates have no constants that lie in files. */
const NO_FILES = {
  read(): never {
    throw new Error("an update reads no file");
  },
};
