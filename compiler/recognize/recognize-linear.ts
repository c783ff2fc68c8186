import { elementCount, type Shape } from "../../ir/dim.js";
import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import type { LinearAttrs } from "../../ir/ops/linears.js";
import type { Pass } from "../pass.js";
import { transposed } from "../passes/fold-constants/lazy.js";
import { Rewriter } from "../rewrite/rewriter.js";

const PLAIN: LinearAttrs = { role: null, activation: "none", gated: false };

/**
 *     %m = matmul %x, %w            ⇒   %y = linear %x, transpose(%w), %b
 *     %y = binary[add] %m, %b
 *
 * where %w [in, out] and %b are constants: y = x·W + b.
 */
export const recognizeLinear: Pass = {
  name: "recognize-linear",
  summary: "matrix products with constant weights, and their biases, become linear",
  run(graph: Graph, context): Graph {
    const rewriter = new Rewriter(graph, context.reader);
    for (const node of rewriter.original) {
      if (node.op === "matmul") product(rewriter, node);
      else if (node.op === "gemm") general(rewriter, node);
      else if (node.op === "linear") given(rewriter, node);
      else if (node.op === "reshape") undone(rewriter, node);
      else if (node.op === "binary" && node.attrs.fn === "add") bias(rewriter, node);
    }
    return rewriter.finish();
  },
};

function product(rewriter: Rewriter, node: Node): void {
  const [x, w] = [rewriter.input(node, 0), rewriter.input(node, 1)];
  const output = node.outputs[0];
  if (x === undefined || w === undefined || output === undefined) return;
  linear(rewriter, x, w, false, output);
}

/** A linear that canonicalization made. */
function given(rewriter: Rewriter, node: Node): void {
  const output = node.outputs[0];
  const inputs = node.inputs.filter((i) => i !== null);
  const shape = output === undefined ? undefined : rewriter.shape(output);
  if (
    node.op === "linear" &&
    output !== undefined &&
    shape !== undefined &&
    node.attrs.activation === "none"
  ) {
    emit(
      rewriter,
      inputs.map((i) => rewriter.resolve(i)),
      shape,
      output,
    );
  }
}

/** alpha·A·op(B) + beta·C with unit factors; C is a bias only if it is a row. */
function general(rewriter: Rewriter, node: Node): void {
  if (node.op !== "gemm" || node.attrs.alpha !== 1 || node.attrs.transA) return;
  const [x, w, c] = [rewriter.input(node, 0), rewriter.input(node, 1), rewriter.input(node, 2)];
  const output = node.outputs[0];
  if (x === undefined || w === undefined || output === undefined || node.attrs.beta !== 1) return;
  if (c === undefined) linear(rewriter, x, w, node.attrs.transB, output);
  else if (isBias(rewriter, c, rewriter.shape(output)?.at(-1))) {
    linear(rewriter, x, w, node.attrs.transB, output, rewriter.flatConstant(c));
  }
}

function linear(
  rewriter: Rewriter,
  x: ValueId,
  w: ValueId,
  /** Whether the rows of w are outputs already, [out, in]. */
  outputRows: boolean,
  output: ValueId,
  b?: ValueId,
): void {
  const constant = rewriter.constant(w);
  const shape = rewriter.shape(output);
  if (constant?.shape.length !== 2 || shape === undefined || rewriter.constant(x) !== undefined) return;
  // A vector operand loses its row axis in matmul; linear keeps one.
  if ((rewriter.shape(x)?.length ?? 0) < 2) return;
  const weight = outputRows ? w : rewriter.addConstant(transposed(constant), w);
  emit(rewriter, b === undefined ? [x, weight] : [x, weight, b], shape, output);
}

/** Rows flattened for the product keep their axes: linear(reshape x) = reshape(linear x). */
function emit(rewriter: Rewriter, inputs: readonly ValueId[], shape: Shape, output: ValueId): void {
  const [x = "", ...rest] = inputs;
  const from = rewriter.producer(x);
  const inner = from?.op === "reshape" ? rewriter.input(from, 0) : undefined;
  const own = inner === undefined ? undefined : rewriter.shape(inner);
  const wide = own !== undefined && own.length > shape.length && own.at(-1) === rewriter.shape(x)?.at(-1);
  if (inner === undefined || !wide) {
    rewriter.replace(output, rewriter.emit({ op: "linear", inputs, attrs: PLAIN }, shape));
    return;
  }
  const made = rewriter.emit(
    { op: "linear", inputs: [inner, ...rest], attrs: PLAIN },
    own.with(own.length - 1, shape.at(-1) ?? 1),
  );
  rewriter.replace(output, rewriter.reshape(made, shape));
}

/** reshape(reshape x) = x where the shape is that of x again. */
function undone(rewriter: Rewriter, node: Node): void {
  const [output, x] = [node.outputs[0], rewriter.input(node, 0)];
  const from = x === undefined ? undefined : rewriter.producer(x);
  const inner = from?.op === "reshape" ? rewriter.input(from, 0) : undefined;
  const shape = output === undefined ? undefined : rewriter.shape(output);
  if (output === undefined || inner === undefined || shape === undefined) return;
  rewriter.replace(output, rewriter.reshape(inner, shape));
}

function bias(rewriter: Rewriter, node: Node): void {
  const output = node.outputs[0];
  const [p, q] = [rewriter.input(node, 0), rewriter.input(node, 1)];
  if (output === undefined || p === undefined || q === undefined) return;
  for (const [x, b] of [
    [p, q],
    [q, p],
  ] as const) {
    // The rows may have been flattened for the product only.
    const direct = rewriter.producer(x);
    const made = direct?.op === "reshape" ? rewriter.producer(rewriter.input(direct, 0) ?? "") : direct;
    const product = made?.outputs[0];
    const shape = product === undefined ? undefined : rewriter.shape(product);
    if (made?.op !== "linear" || made.inputs.length !== 2 || shape === undefined) continue;
    const [input, weight] = [rewriter.input(made, 0), rewriter.input(made, 1)];
    if (input === undefined || weight === undefined || !isBias(rewriter, b, shape.at(-1))) continue;
    // A bias with more axes than the product would add axes.
    const whole = rewriter.shape(output);
    if (whole?.length !== rewriter.shape(x)?.length || whole?.at(-1) !== shape.at(-1)) continue;
    const inputs = [input, weight, rewriter.flatConstant(b)];
    const biased = rewriter.emit({ op: "linear", inputs, attrs: PLAIN }, shape);
    rewriter.replace(output, rewriter.reshape(biased, whole ?? shape));
    return;
  }
}

/** A constant of one row of `width` elements. */
function isBias(rewriter: Rewriter, id: ValueId, width: number | string | undefined): boolean {
  const constant = rewriter.constant(id);
  return constant !== undefined && constant.shape.at(-1) === width && elementCount(constant.shape) === width;
}
