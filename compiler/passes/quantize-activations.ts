import { type Graph, type Node, type NodeOf, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { usesOf } from "../analysis/uses.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %a = adaln(%x, %shift, %scale)   %y = ternary-linear(%a, %codes, %scales, %b)
 * becomes
 *   %q, %s, %t = adaln-quantize(%x, %shift, %scale)
 *   %y = ternary-linear(%q, %s, %t, %codes, %scales, %b) {quantized: true}
 *
 * where only ternary linears read %a. Any other value that a ternary linear reads goes through
 * `quantize-rows` once, however many linears read it. x ≈ s·q per token, t = Σ q (see `ir/ternary/quantize.ts`).
 */
export const quantizeActivations: Pass = {
  name: "quantize-activations",
  summary: "quantizes the inputs of ternary linears to int8, one scale per token",
  run(graph, { options: { activations } }) {
    if (activations !== "int8") return graph;
    const uses = usesOf(graph);
    const edit = new GraphEditor(graph);
    const quantized = new Map<ValueId, Rows>();

    const rowsOf = (x: ValueId): Rows => {
      const known = quantized.get(x);
      if (known !== undefined) return known;
      const rows = quantizedRows(graph, edit, x);
      edit.addNode({ op: "quantize-rows", inputs: [x], outputs: rows, attrs: {} });
      quantized.set(x, rows);
      return rows;
    };

    for (const node of graph.nodes) {
      edit.at(node);
      if (node.op === "adaln") {
        const [output = ""] = node.outputs;
        const readers = uses.nodes.get(output) ?? [];
        if (!uses.outputs.has(output) && readers.every((reader) => isQuantizable(reader, output))) {
          const rows = quantizedRows(graph, edit, output);
          edit.addNode({ ...node, op: "adaln-quantize", outputs: rows });
          quantized.set(output, rows);
          continue;
        }
      }
      const x = node.op === "ternary-linear" && !node.attrs.quantized ? node.inputs[0] : undefined;
      if (node.op !== "ternary-linear" || typeof x !== "string") continue;
      const inputs = [...rowsOf(x), ...node.inputs.slice(1)];
      edit.put({ ...node, inputs, attrs: { ...node.attrs, quantized: true } });
    }
    return edit.finish();
  },
};

/** Codes, scale of each row, sum of each row. */
type Rows = readonly [ValueId, ValueId, ValueId];

function quantizedRows(graph: Graph, edit: GraphEditor, x: ValueId): Rows {
  const shape = shapeOf(graph, x);
  const rows = shape.slice(0, -1);
  return [
    edit.value(`${x}.q`, { dtype: "i8", shape }),
    edit.value(`${x}.scale`, { dtype: "f32", shape: rows }),
    edit.value(`${x}.sum`, { dtype: "i32", shape: rows }),
  ];
}

/** Whether a node reads the value as the x operand of a ternary linear, and only so. */
function isQuantizable(reader: Node, value: ValueId): reader is NodeOf<"ternary-linear"> {
  return (
    reader.op === "ternary-linear" &&
    !reader.attrs.quantized &&
    reader.inputs[0] === value &&
    reader.inputs.lastIndexOf(value) === 0
  );
}
