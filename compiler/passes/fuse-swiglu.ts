import { swigluOf } from "../analysis/swiglu.js";
import { usedOnce, usesOf } from "../analysis/uses.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %a = silu(%gate)       %y = binary[mul](%a, %value)
 * becomes
 *   %y = swiglu(%gate, %value)
 *
 * so that gate and value stay the result of one linear.
 */
export const fuseSwiglu: Pass = {
  name: "fuse-swiglu",
  summary: "makes SiLU of a gate and the product with its values one op",
  run(graph) {
    const uses = usesOf(graph);
    const edit = new GraphEditor(graph);
    for (const node of graph.nodes) {
      const found = swigluOf(graph, node);
      if (found === undefined || !usedOnce(uses, found.activated)) continue;
      edit.put({ op: "swiglu", inputs: [found.gate, found.value], outputs: node.outputs, attrs: {} });
    }
    return edit.finish();
  },
};
