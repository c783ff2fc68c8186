import type { ByteReader } from "../../ir/constant/constant.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { tensorOf } from "../recognize/models.js";
import { fluxInputs } from "./flux-builder.js";
import { type FluxSize, type FluxStyle, TORCHSCRIPT } from "./flux-style.js";

/** What the interpreter makes of a FLUX model of a size, for 6 image and 5 text tokens. */
export function evaluateFlux(
  graph: Graph,
  size: FluxSize,
  reader: ByteReader,
  style: FluxStyle = TORCHSCRIPT,
): Tensor {
  const given = fluxInputs(style, size, { img: 6, txt: 5 }, { timestep: 0.03, guidance: 0.02 });
  const inputs = Object.entries(given).map(([name, input]) => {
    const tensor = tensorOf(input);
    const data = Float32Array.from(tensor.data, Number);
    return [name, { ...tensor, dtype: graph.types.get(name)?.dtype ?? "f32", data }] as const;
  });
  const found = interpret(graph, new Map(inputs), { reader }).get(graph.outputs[0] ?? "");
  if (found === undefined) throw new Error("the graph has no output");
  return found;
}
