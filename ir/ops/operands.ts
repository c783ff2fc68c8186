import { addDims, type Dim, divDims, type Shape, sameShape, subDims, symbolsOf } from "../dim.js";
import type { DType } from "../dtype.js";
import { TritcError } from "../errors.js";
import type { Node, ValueId, ValueType } from "../graph/graph.js";
import { printNode, printShape } from "../graph/print.js";

/** What inference may ask about the operands of a node. */
export interface InferSource {
  readonly types: { get(id: ValueId): ValueType | undefined };
  /** Elements of an integer constant, possibly symbolic; undefined where they are not known. */
  ints(id: ValueId): readonly Dim[] | undefined;
  /** Elements of a float constant; undefined where they are not known. */
  numbers(id: ValueId): readonly number[] | undefined;
  /** Told of two dimensions, one of them symbolic, that the graph needs to be equal. */
  equate?(a: Dim, b: Dim): void;
  /** Told of a symbolic dimension that the graph needs to be a multiple of a number. */
  multiple?(dim: Dim, of: number): void;
}

/** The operands of one node as inference rules see them: typed access, broadcasting, errors. */
export class Operands {
  readonly #node: Node;
  readonly #source: InferSource;

  constructor(node: Node, source: InferSource) {
    this.#node = node;
    this.#source = source;
  }

  get count(): number {
    return this.#node.inputs.length;
  }

  /** How many results the node has. */
  get results(): number {
    return this.#node.outputs.length;
  }

  /** A type for each result. */
  eachResult(type: (i: number) => ValueType): readonly ValueType[] {
    return this.#node.outputs.map((_, i) => type(i));
  }

  has(i: number): boolean {
    return this.#id(i) !== undefined;
  }

  type(i: number): ValueType {
    const id = this.#id(i);
    const type = id === undefined ? undefined : this.#source.types.get(id);
    return type ?? this.fail(`operand ${i}`, id === undefined ? "no operand" : `${id}, which has no type`);
  }

  dtype(i: number): DType {
    return this.type(i).dtype;
  }

  shape(i: number): Shape | null {
    return this.type(i).shape;
  }

  /** Elements of an integer operand, if it is there and known. */
  ints(i: number): readonly Dim[] | undefined {
    const id = this.#id(i);
    return id === undefined ? undefined : this.#source.ints(id);
  }

  /** Elements of a float operand, if it is there and known. */
  numbers(i: number): readonly number[] | undefined {
    const id = this.#id(i);
    return id === undefined ? undefined : this.#source.numbers(id);
  }

  /** Known elements of an operand that holds axes or another list of plain numbers. */
  plainInts(i: number): readonly number[] | undefined {
    const ints = this.ints(i);
    return ints?.every((d) => typeof d === "number") ? (ints as readonly number[]) : undefined;
  }

  /** An axis in [0, rank). */
  axis(axis: number, rank: number): number {
    const found = axis < 0 ? axis + rank : axis;
    if (found < 0 || found >= rank) this.fail(`an axis from ${-rank} to ${rank - 1}`, `${axis}`);
    return found;
  }

  /** The dimension that two operands share. Unequal symbols are reported with `equate`. */
  unify(a: Dim, b: Dim, where: string): Dim {
    if (a === b) return a;
    if (typeof a === "number" && typeof b === "number")
      this.fail(`equal dimensions (${where})`, `${a} and ${b}`);
    this.#source.equate?.(a, b);
    return typeof b === "number" ? b : a;
  }

  /** a / b; undefined where it is not known to be exact. A graph that needs it to be is told of with `multiple`. */
  quotient(a: Dim, b: Dim): Dim | undefined {
    const exact = divDims(a, b);
    if (exact === undefined && typeof a !== "number" && typeof b === "number") this.#source.multiple?.(a, b);
    return exact;
  }

  /** ONNX (NumPy) broadcasting; null if any rank is unknown. A symbol meeting a number gives the number. */
  broadcast(...shapes: readonly (Shape | null)[]): Shape | null {
    let result: Shape = [];
    for (const shape of shapes) {
      if (shape === null) return null;
      result = this.#broadcastPair(result, shape);
    }
    return result;
  }

  #broadcastPair(a: Shape, b: Shape): Shape {
    if (a.length === 0 || sameShape(a, b)) return b;
    const rank = Math.max(a.length, b.length);
    return Array.from({ length: rank }, (_, i) => {
      const x = a[i - rank + a.length] ?? 1;
      const y = b[i - rank + b.length] ?? 1;
      if (x === y || y === 1) return x;
      if (x === 1) return y;
      // The symbol may stand for 1 here, so nothing says that it equals the number.
      const [number, other] = typeof x === "number" ? [x, y] : [y, x];
      if (typeof number === "number" && typeof other === "string" && (leastDim(other) ?? 0) <= 1)
        return number;
      return this.unify(x, y, `broadcasting ${printShape(a)} with ${printShape(b)}`);
    });
  }

  fail(expected: string, found: string): never {
    throw new TritcError({
      code: "TRITC_E_SHAPE",
      message: `the operands of ${this.#node.op} do not fit together`,
      place: printNode(this.#node),
      expected,
      found,
      remedy: "export the model again with consistent shapes, or report the node printed above",
    });
  }

  #id(i: number): ValueId | undefined {
    return this.#node.inputs[i] ?? undefined;
  }
}

/** The least value of a dimension when every symbol is at least 1, or undefined if there is none. */
export function leastDim(dim: Dim): number | undefined {
  if (typeof dim === "number") return dim;
  // Every term with a symbol must grow for the minimum to be at 1.
  let least = 0;
  for (const term of dim.replace(/-/g, "+-").split("+")) {
    if (term === "") continue;
    if (symbolsOf(term).length > 0 && term.startsWith("-")) return undefined;
    const first = /^-?\d+/.exec(term)?.[0];
    least += first === undefined ? 1 : Number(first);
  }
  return least;
}

/** The sign of a − b for all sizes: -1, 0 or 1, or undefined where it depends on the symbols. */
export function compareDims(a: Dim, b: Dim): -1 | 0 | 1 | undefined {
  if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0;
  const difference = subDims(a, b);
  if (difference === 0) return 0;
  if ((leastDim(difference) ?? 0) > 0) return 1;
  if ((leastDim(subDims(b, a)) ?? 0) > 0) return -1;
  return undefined;
}

/** a ≤ b for all sizes. */
export function atMost(a: Dim, b: Dim): boolean {
  return (leastDim(addDims(subDims(b, a), 1)) ?? 0) >= 1;
}
