import { type Shape, substituteDim, symbolsOf } from "../../ir/dim.js";
import { type Graph, typeOf } from "../../ir/graph/graph.js";
import type { Pass, PassContext } from "../pass.js";
import { pruneGraph } from "../rewrite/order.js";
import { renameSymbols } from "../rewrite/rename-symbols.js";
import { dissolveIf, unrollLoop } from "./fold-constants/control.js";
import { type Replacements, solveAll } from "./fold-constants/equations.js";
import { dissolveSequence } from "./fold-constants/sequences.js";
import { Sweep } from "./fold-constants/sweep.js";

/** Each round turns a symbol into another dimension, so exporters' graphs settle after one or two. */
const MOST_ROUNDS = 16;

/**
 * Shape inference and constant folding in one forward sweep, after which every value computes in f32.
 *
 *   %s = shape(%x); %t = gather(%s, 1); %u = concat([1], %t, [24, 128]); %y = reshape(%x, %u)
 *   →  const %u = dims(1, img_tokens, 24, 128);  %y: f32[1, img_tokens, 24, 128] = reshape(%x, %u)
 *
 * Symbols are replaced by `options.bindings` first. Shape arithmetic is evaluated over
 * symbols. Nodes of constants become constants, recipes for large ones. Loops of constant length are
 * unrolled, branches with a constant condition taken, sequences dissolved. Casts between floats vanish.
 * Two symbols that have to be equal (a sum of [1, a] and [1, b]) become one, and a size that has to be a multiple
 * of 4 becomes 4 times a new symbol.
 */
export const foldConstants: Pass = {
  name: "fold-constants",
  summary: "infers all shapes and evaluates what depends on constants and shapes only",
  run(graph, context) {
    let replacements: Replacements = context.options.bindings;
    const symbols = keptFirst(graph);
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const { result, equations } = sweep(graph, replacements, context);
      const solved = solveAll(equations, symbols, (line) => context.log?.(`fold-constants: ${line}`));
      if (solved === undefined) return settled(pruneGraph(result), context);
      const next = Object.entries(replacements).map(([name, dim]) => [name, substituteDim(dim, solved)]);
      replacements = { ...Object.fromEntries(next), ...solved };
    }
    return settled(pruneGraph(sweep(graph, replacements, context).result), context);
  },
};

/**
 * The inputs' symbols, those first that stay where two are equal or one is the sum of others. Sizes of positions and vectors
 * follow those of images and texts, in whatever order a graph has its inputs.
 */
function keptFirst(graph: Graph): readonly string[] {
  const shapes = graph.inputs.map((id) => graph.types.get(id)?.shape ?? []);
  const sorted = [...shapes.filter(isOfTokens), ...shapes.filter((shape) => !isOfTokens(shape))];
  return [...new Set(sorted.flat().flatMap(symbolsOf))];
}

/** Positions of tokens are given by a number for each axis of the rotations. */
const MOST_POSITION_AXES = 4;

/** [samples, tokens, channels] */
function isOfTokens(shape: Shape): boolean {
  const channels = shape.at(-1);
  return shape.length === 3 && !(typeof channels === "number" && channels <= MOST_POSITION_AXES);
}

/** Tells of shapes that depend on data: no program can be made of them. */
function settled(graph: Graph, context: PassContext): Graph {
  for (const [id, type] of graph.types) {
    if (type.shape === null) context.log?.(`fold-constants: the shape of ${id} is unknown`);
  }
  return graph;
}

function sweep(named: Graph, replacements: Replacements, context: PassContext) {
  const graph = renameSymbols(named, replacements);
  const state = new Sweep(context.reader, [dissolveSequence, dissolveIf, unrollLoop]);
  for (const id of graph.inputs) state.defineInput(id, typeOf(graph, id));
  for (const [id, constant] of graph.constants) state.defineConstant(id, constant);
  for (const node of graph.nodes) state.visit(node);
  return { result: state.result(graph, graph.inputs), equations: state.equations };
}
