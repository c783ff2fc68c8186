import type { Constant } from "../../ir/constant/constant.js";
import { dtypeOf, type Graph, type Node, type NodeOf, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { largePictures } from "../analysis/large-pictures.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";
import { cutRows } from "./split-weights.js";

/** What a linear over pixels is as a convolution. */
const PIXELS = { stride: 1, pads: [0, 0, 0, 0], upsample: 1 } as const;

/**
 *   %x = image-conv(%u, %v, %c)   %n = group-norm-rows(%x, %s, %b)   %y = image-conv(%n, %w, %d)
 * becomes, of the first and the second half of the channels of %x and %n,
 *   %x0 = image-conv(%u, rows 0… of %v, …)           %x1 = image-conv(%u, rows n/2… of %v, …)
 *   %n0 = group-norm-rows(%x0, …)                    %n1 = group-norm-rows(%x1, …)
 *   %y0 = image-conv(%n0, columns 0… of %w, %d)      %y = image-conv(%n1, columns n/2… of %w) + %y0
 *
 * where %n is larger than one kernel argument may be, and half of it is not: a convolution reads a picture as a whole.
 */
export const splitPictures: Pass = {
  name: "split-pictures",
  summary: "cuts the channels of pictures that are larger than a binding of the device in two",
  run(graph, { options: { limits, sizes } }) {
    const large = largePictures(graph, limits.maxBindingBytes, sizes);
    if (large.size === 0) return graph;
    const splitter = new Splitter(graph, large);
    for (const node of graph.nodes) splitter.visit(node);
    return splitter.edit.finish();
  },
};

class Splitter {
  readonly edit: GraphEditor;
  /** The two parts of each large picture. */
  readonly #halves = new Map<ValueId, readonly ValueId[]>();

  constructor(
    readonly graph: Graph,
    readonly large: ReadonlySet<ValueId>,
  ) {
    this.edit = new GraphEditor(graph);
  }

  visit(node: Node): void {
    const [output = ""] = node.outputs;
    if (![output, ...node.inputs].some((id) => id !== null && this.large.has(id))) return;
    this.edit.at(node);
    if (node.op === "group-norm-rows") this.#norm(node);
    else if (node.op === "image-conv") this.#conv(node, node.inputs[3] ?? null, node.attrs);
    else if (node.op === "linear") this.#conv(node, null, PIXELS);
    else throw new Error(`${node.op} takes no half of a picture`);
  }

  #norm(node: NodeOf<"group-norm-rows">): void {
    const [x = "", scale = "", bias = ""] = node.inputs;
    const [output = ""] = node.outputs;
    const halves = (this.#halves.get(x ?? "") ?? []).map((half, i) => {
      const affine = [scale, bias].map((id) => this.#rows(id, i));
      const attrs = { ...node.attrs, groups: node.attrs.groups / 2 };
      const value = this.#half(output, i);
      this.edit.addNode({ op: node.op, inputs: [half, ...affine], outputs: [value], attrs });
      return value;
    });
    this.#halves.set(output, halves);
  }

  /** Sums over the parts of x, for each part of the result. */
  #conv(
    node: NodeOf<"image-conv"> | NodeOf<"linear">,
    residual: ValueId | null,
    attrs: NodeOf<"image-conv">["attrs"],
  ): void {
    const [x = "", weight = "", bias = null] = node.inputs;
    const [output = ""] = node.outputs;
    const isSplit = this.large.has(output);
    const parts = this.#halves.get(x ?? "") ?? [x];
    const results = [...(isSplit ? [0, 1] : [0])].map((i) => {
      const own = (id: ValueId | null) => (isSplit && id !== null ? this.#rows(id, i) : id);
      const filters = this.#filters(own(weight) ?? "");
      let sum = residual === null ? null : (this.#halves.get(residual)?.[i] ?? residual);
      for (const [k, part] of parts.entries()) {
        const columns = parts.length === 1 ? filters : this.#columns(filters, k);
        const inputs = [part, columns, k === 0 ? own(bias) : null, sum];
        if (!isSplit && k === parts.length - 1) {
          this.edit.put({ op: "image-conv", inputs, outputs: [output], attrs });
          return output;
        }
        sum = isSplit ? this.#half(output, i) : this.#value(`${output}.sum`, output);
        this.edit.addNode({ op: "image-conv", inputs, outputs: [sum], attrs });
      }
      return sum ?? "";
    });
    if (isSplit) this.#halves.set(output, results);
  }

  /** A name for half `i` of a value, or for a sum on the way to it. */
  #half(of: ValueId, i: number): ValueId {
    const shape = shapeOf(this.graph, of);
    const channels = Number(shape.at(-1)) / 2;
    return this.edit.value(`${of}.${i}`, {
      dtype: dtypeOf(this.graph, of),
      shape: [...shape.slice(0, -1), channels],
    });
  }

  #value(base: string, like: ValueId): ValueId {
    return this.edit.value(base, { dtype: dtypeOf(this.graph, like), shape: shapeOf(this.graph, like) });
  }

  /** Half `i` of a constant's rows. */
  #rows(id: ValueId | null | undefined, i: number): ValueId {
    const of = this.#constant(id);
    const length = (of.shape[0] ?? 0) / 2;
    return cutRows(this.edit, id ?? "", of, i * length, length);
  }

  /** A weight as filters [out, ky, kx, in]. */
  #filters(id: ValueId): ValueId {
    const of = this.#constant(id);
    const [out = 1, inputs = 1] = of.shape;
    return of.shape.length === 4 ? id : this.edit.namedConstant(id, reshaped(of, [out, 1, 1, inputs]));
  }

  /** Half `i` of the inputs of filters. */
  #columns(id: ValueId, i: number): ValueId {
    const of = this.#constant(id);
    const [out = 1, height = 1, width = 1, inputs = 1] = of.shape;
    const [rows, length] = [out * height * width, inputs / 2];
    const turned = transposed(reshaped(of, [rows, inputs]));
    const { dtype } = of;
    const half: Constant = {
      ...{ dtype, shape: [length, rows] },
      source: { kind: "rows", of: turned, start: i * length },
    };
    return this.edit.namedConstant(
      `${id}.inputs.${i}`,
      reshaped(transposed(half), [out, height, width, length]),
    );
  }

  #constant(id: ValueId | null | undefined): Constant {
    const constant = this.edit.constants.get(id ?? "");
    if (constant === undefined) throw new Error(`${id} is no constant`);
    return constant;
  }
}

function reshaped(of: Constant, shape: readonly number[]): Constant {
  return { dtype: of.dtype, shape, source: { kind: "reshape", of } };
}

function transposed(of: Constant): Constant {
  const [rows = 1, columns = 1] = of.shape;
  return { dtype: of.dtype, shape: [columns, rows], source: { kind: "transpose", of } };
}
