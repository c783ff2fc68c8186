import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import { loraError } from "../lora/errors.js";
import type { LoraPlan } from "../lora/merge-plan.js";
import type { Operand } from "../lora/parameters.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %y = linear(%x, %w, %b) {role: "double.0.img.q"}
 * becomes
 *   const %w.lora = low-rank(%w, up, down, scale)
 *   %y = linear(%x, %w.lora, %b) {role: "double.0.img.q"}
 *
 * for every linear and norm that the plan has new parameters for: recipes of the old ones and the adapters' tensors,
 * evaluated when rows are read. An adapter that gives the model more input channels widens its latents too.
 */
export function mergeLora({ replacements, inputChannels }: LoraPlan): Pass {
  return {
    name: "merge-lora",
    summary: "merges adapters into the weights, biases and norms that they are for",
    run(graph) {
      const edit = new GraphEditor(inputChannels === undefined ? graph : widerInput(graph, inputChannels));
      for (const node of graph.nodes) {
        const operands = replacements.get(node.outputs[0] ?? "");
        if (operands === undefined) continue;
        const inputs = [...node.inputs];
        for (const [operand, constant] of operands) {
          while (inputs.length <= operand) inputs.push(null);
          inputs[operand] = edit.namedConstant(`${inputs[operand] ?? nameOf(node, operand)}.lora`, constant);
        }
        edit.put({ ...node, inputs } as Node);
      }
      return edit.finish();
    },
  };
}

function nameOf(node: Node, operand: Operand): string {
  return `${node.outputs[0]}.${operand === 1 ? "weight" : "bias"}`;
}

/** The latents with more channels, and their casts on the way to the embedder, which alone may read them. */
function widerInput(graph: Graph, channels: number): Graph {
  const types = new Map(graph.types);
  const [latents] = Object.entries(graph.model?.roles ?? {}).find(([, role]) => role === "latents") ?? [];
  for (let id: ValueId | undefined = latents; id !== undefined; ) {
    const type = types.get(id);
    const readers = graph.nodes.filter(({ inputs }) => inputs.includes(id ?? ""));
    const [reader] = readers;
    if (type?.shape == null || readers.length !== 1 || (reader?.op !== "linear" && reader?.op !== "cast")) {
      throw loraError({
        place: `input ${latents}`,
        message: "the adapter is for a model with more input channels, and this one cannot be widened",
        expected: "latents that the embedder reads as they are",
        found: readers.map(({ op }) => op).join(", "),
        remedy: "compile the model in Diffusers' or the original format",
      });
    }
    types.set(id, { ...type, shape: [...type.shape.slice(0, -1), channels] });
    id = reader.op === "cast" ? reader.outputs[0] : undefined;
  }
  return { ...graph, types };
}
