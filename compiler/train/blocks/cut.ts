import { elementCount } from "../../../ir/dim.js";
import { type Graph, type Node, shapeOf, type ValueId } from "../../../ir/graph/graph.js";
import { valuesReadBy } from "../../analysis/subgraphs.js";
import { usesOf } from "../../analysis/uses.js";
import { familyOf } from "../../models/index.js";
import { pruneGraph } from "../../rewrite/order.js";
import { parametersOf } from "../parameters.js";

/**
 * A model in pieces that are run one after the other: what comes before the blocks, each block, and what comes after. Inputs
 * of a piece are the model's or outputs of pieces before it.
 */
export interface Pieces {
  readonly prefix: Graph;
  /** Each by the name that its linears' roles begin with. */
  readonly blocks: readonly Graph[];
  readonly suffix: Graph;
}

/**
 * Cuts a recognized model of known sizes by what its linears are. A value belongs to the last block that it depends on; where
 * it is made of values that cross the border anyway, or of no more numbers than it has itself, it is made on the other
 * side instead:
 *
 *   block 1 | %x = concat(%txt, %img)   %n = layer-norm(%x) | block 2    →    block 1 | block 2: %x = …  %n = …
 *
 * so that what crosses is the residual stream, text and image apart.
 */
export function cutModel(graph: Graph): Pieces {
  const { model } = graph;
  if (model === undefined) throw new Error("only a recognized model has blocks");
  const names = familyOf(model).blocks(model);
  const placed = sink(graph, place(graph, names));
  return {
    prefix: subgraph(graph, placed, 0, "prefix"),
    blocks: names.map((name, i) => subgraph(graph, placed, i + 1, name)),
    suffix: subgraph(graph, placed, names.length + 1, "suffix"),
  };
}

/** The piece of every value that a node computes. */
type Placed = Map<ValueId, number>;

/** Every value in the last piece that it depends on: its own linear's, or an operand's. */
function place(graph: Graph, blocks: readonly string[]): Placed {
  const placed: Placed = new Map();
  for (const node of graph.nodes) {
    const earliest = Math.max(0, ...node.inputs.map((id) => placed.get(id ?? "") ?? 0));
    const own = ownPiece(node, earliest, blocks);
    if (own < earliest)
      throw new Error(`${node.outputs[0]} of piece ${own} reads what piece ${earliest} computes`);
    for (const id of node.outputs) placed.set(id, own);
  }
  return placed;
}

function ownPiece({ op, attrs }: Node, earliest: number, blocks: readonly string[]): number {
  if (op !== "linear") return earliest;
  const block = blocks.findIndex((name) => attrs.role?.startsWith(`${name}.`) === true);
  if (block >= 0) return block + 1;
  // In no block: before all of them or, where it depends on one, after all of them.
  return earliest === 0 ? 0 : blocks.length + 1;
}

/** Moves what has no parameters to the one piece that reads it, where no more numbers cross then. The last nodes go first. */
function sink(graph: Graph, placed: Placed): Placed {
  const { nodes: readers, outputs } = usesOf(graph);
  const parameters = new Set(parametersOf(graph).map(({ id }) => id));
  const pieceOf = ({ outputs: [id = ""] }: Node) => placed.get(id) ?? 0;
  const sizeOf = (ids: readonly ValueId[]) =>
    ids.reduce((sum, id) => sum + Number(elementCount(shapeOf(graph, id))), 0);
  for (const node of graph.nodes.toReversed()) {
    if (node.inputs.some((id) => parameters.has(id ?? "")) || node.outputs.some((id) => outputs.has(id)))
      continue;
    const own = pieceOf(node);
    const [piece = 0, ...others] = new Set(node.outputs.flatMap((id) => readers.get(id) ?? []).map(pieceOf));
    if (piece <= own || others.length > 0) continue;
    const crossesAnyway = (id: ValueId) =>
      readers.get(id)?.some((reader) => reader !== node && pieceOf(reader) >= piece) === true;
    const operands = new Set(valuesReadBy(node).filter((id) => placed.get(id) === own && !crossesAnyway(id)));
    if (sizeOf([...operands]) > sizeOf(node.outputs)) continue;
    for (const id of node.outputs) placed.set(id, piece);
  }
  return placed;
}

function subgraph(graph: Graph, placed: Placed, piece: number, name: string): Graph {
  const isOwn = (id: ValueId | null) => placed.get(id ?? "") === piece;
  const nodes = graph.nodes.filter(({ outputs: [id = ""] }) => isOwn(id));
  const others = graph.nodes.filter(({ outputs: [id = ""] }) => !isOwn(id));
  const readBy = (some: readonly Node[]) => [...new Set(some.flatMap(valuesReadBy))];
  const inputs = readBy(nodes).filter((id) => !isOwn(id) && !graph.constants.has(id));
  const outputs = [...new Set([...readBy(others), ...graph.outputs])].filter(isOwn);
  const { model: _, ...rest } = graph;
  return pruneGraph({ ...rest, name, inputs, outputs, nodes });
}
