import { type Dim, type Shape, substituteDim, symbol, symbolsOf } from "../../ir/dim.js";
import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import { type Uses, usesOf } from "../analysis/uses.js";

/** Shapes of a graph's inputs. */
export type InputShapes = ReadonlyMap<ValueId, Shape>;

/** Most combinations of ranks tried for inputs without a shape. */
const MOST_RANKS = 12;

/**
 * What the input types of an export may mean: as they are written; and with names of our own, since exporters name axes as
 * their users tell them, alike or apart: one for the leading axes of rows and of vectors, where a transformer has its batch, and
 * one for each other axis. Inputs without a shape get the ranks
 * that what reads them suggests. What has to be equal, the graph says (`fold-constants`).
 */
export function* shapeReadings(graph: Graph): Generator<InputShapes> {
  for (const apart of [false, true]) {
    for (const shapes of rankReadings(graph)) {
      yield new Map([...shapes].map(([id, shape]) => [id, apart ? ownSymbols(id, shape) : shape]));
    }
  }
}

function ownSymbols(id: ValueId, shape: Shape): Shape {
  return shape.map((dim, axis) => {
    if (typeof dim === "number") return dim;
    const isBatch = axis === 0 && (shape.length === 1 || shape.length === 3);
    return symbol(isBatch ? "samples" : `${id}_axis${axis}`);
  });
}

function rankReadings(graph: Graph): readonly InputShapes[] {
  const known = new Map<ValueId, Shape>();
  for (const id of graph.inputs) {
    const shape = graph.types.get(id)?.shape;
    if (shape) known.set(id, shape);
  }
  let readings: InputShapes[] = [known];
  if (known.size === graph.inputs.length) return readings;
  const uses = usesOf(graph);
  for (const id of graph.inputs) {
    if (known.has(id)) continue;
    const shapes = ranksOf(graph, uses, id).map((rank) => ownSymbols(id, new Array(rank).fill("?")));
    const next = shapes.flatMap((shape) => readings.map((reading) => new Map(reading).set(id, shape)));
    readings = next.slice(0, MOST_RANKS);
  }
  return readings;
}

/** Operations gone through from an input to one that says its rank. */
const MOST_STEPS = 16;

/** Ranks that a value may have, the likeliest first. */
function ranksOf(graph: Graph, uses: Uses, id: ValueId, steps = MOST_STEPS): readonly number[] {
  for (const node of steps === 0 ? [] : (uses.nodes.get(id) ?? [])) {
    const found = ranksIn(graph, uses, node, id, steps - 1);
    if (found !== undefined) return found;
  }
  return [1, 2, 3];
}

function ranksIn(
  graph: Graph,
  uses: Uses,
  node: Node,
  id: ValueId,
  steps: number,
): readonly number[] | undefined {
  switch (node.op) {
    // Layouts do not change in these.
    case "cast":
    case "unary":
      return ranksOf(graph, uses, node.outputs[0] ?? "", steps);
    case "binary": {
      const other = node.inputs.find((input) => input !== id);
      const rank = graph.constants.get(other ?? "")?.shape.length;
      return rank === 0 || rank === 1 ? ranksOf(graph, uses, node.outputs[0] ?? "", steps) : undefined;
    }
    case "unsqueeze":
      return [1, 2];
    case "gemm":
    case "linear":
      return [2];
    case "matmul":
      return [3, 2];
    case "concat": {
      const ranks = node.inputs.map((input) => graph.types.get(input ?? "")?.shape?.length);
      const rank = ranks.find((r) => r !== undefined);
      return rank === undefined ? [2, 3] : [rank];
    }
    default:
      return undefined;
  }
}

/** The graph with other shapes of its inputs. */
export function withShapes(graph: Graph, shapes: InputShapes): Graph {
  const types = new Map(graph.types);
  for (const [id, shape] of shapes) {
    const type = types.get(id);
    if (type !== undefined) types.set(id, { ...type, shape });
  }
  return { ...graph, types };
}

/** The input shapes of a folded graph, where symbols that have to be equal are one. */
export function agreedShapes(graph: Graph, folded: Graph): InputShapes {
  return new Map(
    graph.inputs.flatMap((id) => {
      const shape = folded.types.get(id)?.shape;
      return shape ? [[id, shape] as const] : [];
    }),
  );
}

/** Equal for graphs whose input shapes differ in the names of symbols alone. */
export function shapeKey(graph: Graph): string {
  const names = new Map<string, Dim>();
  const shapes = graph.inputs.map((id) => graph.types.get(id)?.shape ?? null);
  for (const name of shapes.flatMap((shape) => shape?.flatMap(symbolsOf) ?? [])) {
    if (!names.has(name)) names.set(name, symbol(`s${names.size}`));
  }
  const replacements = Object.fromEntries(names);
  return JSON.stringify(shapes.map((shape) => shape?.map((dim) => substituteDim(dim, replacements)) ?? null));
}
