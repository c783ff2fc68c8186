import type { Constant } from "../constant/constant.js";
import type { Dim } from "../dim.js";
import { byteLength } from "../dtype.js";
import { TritcError } from "../errors.js";
import { attrProblem } from "../ops/definition.js";
import { definitionOf } from "../ops/index.js";
import { inferNode } from "../ops/infer.js";
import { countOf } from "../tensor.js";
import { type Graph, type Node, subgraphsOf, type ValueId, type ValueType } from "./graph.js";
import { printNode, printType } from "./print.js";
import { recipeProblem } from "./verify-recipe.js";

/**
 * Checks the invariants of a graph:
 *
 * 1. Every value has exactly one producer: an input, a constant or a node, also across subgraphs.
 * 2. Nodes are in topological order: operands are defined before they are read.
 * 3. Every value has a type; a constant's type is that of its recipe, and its bytes are all there.
 * 4. Each node has as many operands and results as its op takes, and attributes of the right kinds.
 * 5. The types of a node's results do not contradict those of its operands.
 *
 * @throws TritcError TRITC_E_IR naming the place, the printed node, what was expected and what was found.
 */
export function verifyGraph(graph: Graph): void {
  new Verifier().graph(graph, null);
}

/** Values of a graph, and of those around it. */
class Scope {
  readonly #own = new Map<ValueId, ValueType>();

  constructor(private readonly outer: Scope | null) {}

  get(id: ValueId): ValueType | undefined {
    return this.#own.get(id) ?? this.outer?.get(id);
  }

  set(id: ValueId, type: ValueType): void {
    this.#own.set(id, type);
  }
}

/** What a message names; text only when there is something to say about it. */
type Where = () => string;

class Verifier {
  readonly #defined = new Set<ValueId>();
  readonly #constants = new Map<ValueId, Constant>();

  graph(graph: Graph, outer: Scope | null): void {
    const scope = new Scope(outer);
    const place: Where = () => `graph ${graph.name}`;
    const define = (id: ValueId, where: Where) => {
      if (this.#defined.has(id)) fail(where, "one producer for every value", `a second one for ${id}`);
      const type = graph.types.get(id);
      if (type === undefined) fail(where, "a type for every value", `none for ${id}`);
      this.#defined.add(id);
      scope.set(id, type);
    };
    for (const id of graph.inputs) define(id, place);
    for (const [id, constant] of graph.constants) {
      define(id, place);
      this.#constant(id, constant, graph.types.get(id), place);
    }
    for (const node of graph.nodes) {
      const where: Where = () => `${place()}, ${printNode(node)}`;
      for (const id of node.inputs) {
        if (id !== null && scope.get(id) === undefined)
          fail(where, "operands defined before they are read", id);
      }
      checkForm(node, where);
      for (const body of subgraphsOf(node)) this.graph(body, scope);
      for (const id of node.outputs) define(id, where);
      this.#checkTypes(node, scope, where);
    }
    for (const id of graph.outputs) {
      if (scope.get(id) === undefined) fail(place, "outputs that the graph computes", id);
    }
  }

  #constant(id: ValueId, constant: Constant, type: ValueType | undefined, graph: Where): void {
    this.#constants.set(id, constant);
    const place: Where = () => `${graph()}, constant ${id}`;
    const { dtype, shape, source } = constant;
    const recipe = { dtype, shape };
    if (type === undefined || printType(type) !== printType(recipe)) {
      fail(place, printType(recipe), type === undefined ? "no type" : printType(type));
    }
    const count = countOf(shape);
    if (source.kind === "inline" && source.bytes.length !== byteLength(dtype, count)) {
      fail(place, `${byteLength(dtype, count)} bytes`, `${source.bytes.length} bytes`);
    }
    if (source.kind === "dims" && source.dims.length !== count) {
      fail(place, `${count} dimensions`, `${source.dims.length}`);
    }
    const problem = recipeProblem(constant);
    if (problem !== undefined) fail(place, problem.expected, problem.found);
  }

  #checkTypes(node: Node, scope: Scope, where: Where): void {
    const inferred = inferNode(node, {
      types: scope,
      ints: (id) => symbolicInts(this.#constants.get(id)),
      numbers: () => undefined,
    });
    for (const [i, id] of node.outputs.entries()) {
      const [wanted, found] = [inferred[i], scope.get(id)];
      if (wanted === undefined || found === undefined) continue;
      if (wanted.dtype !== found.dtype || contradict(wanted.shape, found.shape)) {
        fail(where, `${id}: ${printType(wanted)}`, printType(found));
      }
    }
  }
}

/** Elements of constants whose recipe holds them as they are; others stay unknown to the verifier. */
function symbolicInts(constant: Constant | undefined): readonly Dim[] | undefined {
  if (constant?.source.kind === "dims") return constant.source.dims;
  if (constant?.dtype !== "i64" || constant.source.kind !== "inline") return undefined;
  const { bytes } = constant.source;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
}

/** Ranks differ, or two known numbers do. */
function contradict(a: readonly Dim[] | null, b: readonly Dim[] | null): boolean {
  if (a === null || b === null) return false;
  return (
    a.length !== b.length || a.some((d, i) => typeof d === "number" && typeof b[i] === "number" && d !== b[i])
  );
}

function checkForm(node: Node, where: Where): void {
  const schema = definitionOf(node.op);
  const within = (n: number, [low, high]: readonly [number, number]) => n >= low && n <= high;
  const range = ([low, high]: readonly [number, number]) => (low === high ? `${low}` : `${low} to ${high}`);
  if (!within(node.inputs.length, schema.operands)) {
    fail(where, `${range(schema.operands)} operands`, `${node.inputs.length}`);
  }
  if (!within(node.outputs.length, schema.results)) {
    fail(where, `${range(schema.results)} results`, `${node.outputs.length}`);
  }
  const attrs: Readonly<Record<string, unknown>> = { ...node.attrs };
  for (const [name, kind] of Object.entries(schema.attrs)) {
    const problem = attrProblem(kind, attrs[name]);
    if (problem !== undefined) fail(where, `attribute ${name}: ${problem}`, String(attrs[name]));
  }
  for (const name of Object.keys(attrs)) {
    if (!Object.hasOwn(schema.attrs, name)) fail(where, `attributes of ${node.op} only`, name);
  }
}

function fail(place: Where, expected: string, found: string): never {
  throw new TritcError({
    code: "TRITC_E_IR",
    message: "the graph breaks an invariant of the IR",
    place: place(),
    expected,
    found,
    remedy: "this is a bug in tritc: report it with the reproducer written beside this message",
  });
}
