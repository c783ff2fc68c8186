import type { Graph } from "../../ir/graph/graph.js";
import type { Pass } from "../pass.js";
import { Rewriter } from "../rewrite/rewriter.js";
import { TRACED, Tracer } from "./match/tracer.js";

/**
 *     %h = transpose[0 2 1 3] (reshape %q [1 T H D]) …      ⇒   %r = rope (rms-norm %q), %cos, %sin
 *     %s = softmax (matmul (rotate %h), (rotate %k)ᵀ·scale)     %y = attention %r, %k, %v
 *     %y = reshape (transpose (matmul %s, %v)) [1 T H·D]
 *
 * also rope tables, timestep sinusoids, and parts and joins of channels and tokens. Every operand of an
 * operation that computes on channels is traced back to such operations and built anew on rows of channels;
 * an operand that cannot be stays as it is.
 */
export const recognizeAttention: Pass = {
  name: "recognize-attention",
  summary: "head layouts, rotary embeddings, attention and sinusoids become ops on rows of channels",
  run(graph: Graph, context): Graph {
    const rewriter = new Rewriter(graph, context.reader);
    const tracer = new Tracer(rewriter);
    const simplify = (id: string): void => {
      const producer = rewriter.producer(id);
      const shape = rewriter.shape(id);
      if (producer === undefined || shape === undefined || !TRACED.has(producer.op)) return;
      const made = tracer.simplify(id);
      // What is the same for all tokens, beside what is not: each by itself.
      const whole = made === undefined || made === rewriter.resolve(id);
      if (whole && (producer.op === "concat" || producer.op === "expand"))
        for (const input of producer.inputs) if (input !== null) simplify(input);
      // Casts of ids are looked through; what reads the floats still needs them.
      if (made === undefined || rewriter.dtype(made) !== rewriter.dtype(id)) return;
      rewriter.replace(rewriter.resolve(id), rewriter.reshape(made, shape));
    };
    for (const node of rewriter.original) {
      if (TRACED.has(node.op)) continue;
      for (const input of node.inputs) if (input !== null) simplify(input);
    }
    for (const output of rewriter.outputs) simplify(output);
    return rewriter.finish();
  },
};
