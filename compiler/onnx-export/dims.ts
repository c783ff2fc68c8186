import { type Dim, symbolsOf } from "../../ir/dim.js";
import type { Graph, ValueId } from "../../ir/graph/graph.js";
import { refuseExport } from "./errors.js";
import type { Name, OnnxWriter } from "./writer.js";

/** Computes dimensions that depend on the sizes of the inputs. */
export class DimWriter {
  readonly #known = new Map<Dim, Name>();
  readonly #axes: ReadonlyMap<string, readonly [ValueId, number]>;

  constructor(
    readonly writer: OnnxWriter,
    graph: Graph,
  ) {
    this.#axes = symbolAxes(graph);
  }

  /** A dimension as an i64 vector of one element. */
  vector(dim: Dim): Name {
    if (typeof dim === "number") return this.writer.integers([dim]);
    const known = this.#known.get(dim);
    if (known !== undefined) return known;
    const name = this.#computed(dim);
    this.#known.set(dim, name);
    return name;
  }

  /** Several dimensions as one i64 vector. */
  list(dims: readonly Dim[]): Name {
    const numbers = dims.filter((dim) => typeof dim === "number");
    if (numbers.length === dims.length) return this.writer.integers(numbers);
    return this.writer.op(
      "Concat",
      dims.map((dim) => this.vector(dim)),
      { axis: { int: 0 } },
    );
  }

  /** Σ coefficient·Π symbols, term by term. */
  #computed(dim: string): Name {
    if (symbolsOf(dim)[0] === dim) return this.#symbol(dim);
    let sum: Name | undefined;
    for (const term of dim.replace(/-/g, "+-").split("+")) {
      if (term === "") continue;
      let product = this.writer.integers([term.startsWith("-") ? -1 : 1]);
      for (const factor of term.replace(/^-/, "").split("*")) {
        const value = /^\d+$/.test(factor) ? this.writer.integers([Number(factor)]) : this.vector(factor);
        product = this.writer.op("Mul", [product, value]);
      }
      sum = sum === undefined ? product : this.writer.op("Add", [sum, product]);
    }
    return sum ?? this.writer.integers([0]);
  }

  #symbol(symbol: string): Name {
    const found = this.#axes.get(symbol);
    if (found === undefined) {
      throw refuseExport(
        "the sizes of the inputs do not tell a size that the graph needs",
        `the size ${symbol}`,
      );
    }
    const [input, axis] = found;
    return this.writer.op("Shape", [input], { start: { int: axis }, end: { int: axis + 1 } });
  }
}

/** An axis of an input that each symbol is the size of. */
function symbolAxes(graph: Graph): ReadonlyMap<string, readonly [ValueId, number]> {
  const axes = new Map<string, readonly [ValueId, number]>();
  for (const id of graph.inputs) {
    for (const [axis, dim] of (graph.types.get(id)?.shape ?? []).entries()) {
      if (typeof dim === "string" && symbolsOf(dim)[0] === dim && !axes.has(dim)) axes.set(dim, [id, axis]);
    }
  }
  return axes;
}
