import type { Constant } from "../../ir/constant/constant.js";
import { type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { rowsOf } from "../analysis/rows-of.js";
import type { RowRange } from "./adapted.js";
import { filled, joined } from "./algebra.js";

/** A node's weight (1) or bias (2), by its place among the operands; the scale of a norm is a weight. */
export type Operand = 1 | 2;

interface Piece {
  readonly start: number;
  readonly values: Constant;
}

/** New constants for operands of nodes: result of the node → operand → constant. */
export type Replacements = ReadonlyMap<ValueId, ReadonlyMap<Operand, Constant>>;

/** The parameters of a graph while adapters are merged into rows of them, one after the other. */
export class Parameters {
  readonly #graph: Graph;
  readonly #nodes: ReadonlyMap<ValueId, Node>;
  readonly #pieces = new Map<ValueId, Map<Operand, readonly Piece[]>>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#nodes = new Map(graph.nodes.map((node) => [node.outputs[0] ?? "", node]));
  }

  /** Rows of a weight, those of several linears one after the other; undefined where they are no constants. */
  rows(ranges: readonly RowRange[], operand: Operand): Constant | undefined {
    const parts = ranges.flatMap((range) => {
      const pieces = this.#piecesOf(range.node, operand);
      return pieces === undefined
        ? [undefined]
        : within(pieces, range.start, range.count).map((p) => p.values);
    });
    const known = parts.filter((part) => part !== undefined);
    return known.length === parts.length && known.length > 0 ? joined(known) : undefined;
  }

  /** Gives rows that `rows` has had new values. */
  replace(ranges: readonly RowRange[], operand: Operand, values: Constant): void {
    let first = 0;
    for (const { node, start, count } of ranges) {
      const pieces = this.#piecesOf(node, operand) ?? [];
      const end = pieces.reduce((sum, piece) => sum + rowCount(piece), 0);
      const merged = [
        ...within(pieces, 0, start),
        { start, values: rowsOf(values, first, count) },
        ...within(pieces, start + count, end - start - count),
      ];
      const known = this.#pieces.get(node) ?? new Map<Operand, readonly Piece[]>();
      this.#pieces.set(node, known.set(operand, merged));
      first += count;
    }
  }

  /** What has become of the operands that were replaced. */
  get replacements(): Replacements {
    return new Map(
      [...this.#pieces].map(([node, operands]) => [
        node,
        new Map([...operands].map(([operand, pieces]) => [operand, joined(pieces.map((p) => p.values))])),
      ]),
    );
  }

  #piecesOf(id: ValueId, operand: Operand): readonly Piece[] | undefined {
    const known = this.#pieces.get(id)?.get(operand);
    if (known !== undefined) return known;
    const input = this.#nodes.get(id)?.inputs[operand];
    const values = typeof input === "string" ? this.#graph.constants.get(input) : this.#absent(id, operand);
    return values === undefined ? undefined : [{ start: 0, values }];
  }

  /** What an absent operand stands for: no bias is zeros, no scale ones. */
  #absent(id: ValueId, operand: Operand): Constant {
    const node = this.#nodes.get(id);
    const group = node?.op === "rms-norm" ? node.attrs.group : 0;
    const length = group === 0 ? Number(shapeOf(this.#graph, id).at(-1)) : group;
    return filled([length], operand === 2 ? 0 : 1);
  }
}

function rowCount({ values }: Piece): number {
  return values.shape[0] ?? 0;
}

/** The pieces of rows `start` to `start + count`. */
function within(pieces: readonly Piece[], start: number, count: number): readonly Piece[] {
  return pieces.flatMap((piece) => {
    const first = Math.max(start, piece.start);
    const end = Math.min(start + count, piece.start + rowCount(piece));
    return first < end
      ? [{ start: first, values: rowsOf(piece.values, first - piece.start, end - first) }]
      : [];
  });
}
