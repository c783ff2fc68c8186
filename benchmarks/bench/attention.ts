import { GraphBuilder } from "../../compiler/graph-builder.js";
import { node } from "../peer-model.js";
import { graphTask } from "./graph-task.js";
import { floats, weightReader } from "./numbers.js";
import { onnxRuntimeTask } from "./onnx-runtime.js";
import { closeAll } from "./opened.js";
import type { BenchContext, Opened, Subject } from "./subject.js";

interface Size {
  readonly tokens: number;
  readonly heads: number;
  readonly headDim: number;
}

/** The shapes model's; FLUX.1's heads, a few of them. */
const SIZES: readonly Size[] = [
  { tokens: 28, heads: 4, headDim: 64 },
  { tokens: 512, heads: 4, headDim: 128 },
  { tokens: 1024, heads: 4, headDim: 128 },
];

const TOLERANCE = 1e-5;

/** Attention of all tokens with all, beside ONNX Runtime's. */
export const ATTENTION: readonly Subject[] = SIZES.map((size) => ({
  name: `kernels/attention ${size.tokens} tokens x ${size.heads} heads of ${size.headDim}`,
  open: (context) => openAttention(size, context),
}));

async function openAttention({ tokens, heads, headDim }: Size, context: BenchContext): Promise<Opened> {
  const dims = [1, tokens, heads * headDim] as const;
  const count = tokens * heads * headDim;
  const values = { q: floats(count), k: floats(count, count), v: floats(count, 2 * count) };
  const builder = new GraphBuilder();
  const operands = Object.keys(values).map((name) => builder.input(name, dims));
  const attrs = { heads, scale: 1 / Math.sqrt(headDim) };
  const graph = builder.graph("attention", [builder.node("y", "attention", operands, attrs)]);
  const model = {
    inputs: { q: dims, k: dims, v: dims },
    output: dims,
    weights: {},
    nodes: [node("MultiHeadAttention", ["q", "k", "v"], ["y"], { num_heads: heads }, "com.microsoft")],
  };
  return closeAll([
    await onnxRuntimeTask("ONNX Runtime MultiHeadAttention", model, values, context),
    await graphTask("rows of heads", graph, values, context, {
      reader: weightReader(),
      tolerance: TOLERANCE,
    }),
  ]);
}
