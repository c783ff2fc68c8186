import { type ByteReader, type Constant, operandsOf } from "../../ir/constant/constant.js";
import { readConstant } from "../../ir/constant/read.js";
import type { Dim } from "../../ir/dim.js";
import { isFloat } from "../../ir/dtype.js";
import type { ValueId } from "../../ir/graph/graph.js";
import { countOf } from "../../ir/tensor.js";

/** Anything that holds constants by value: a Graph or a GraphEditor. */
export interface HasConstants {
  readonly constants: ReadonlyMap<ValueId, Constant>;
}

/** Longer constants are weights: nothing reads them as a list. */
const MOST_ELEMENTS = 1 << 16;

/**
 * Elements of a small constant whose bytes are in memory (inline, fill, or a recipe over such), in row-major
 * order; undefined for others. `fold-constants` makes every constant of up to 4096 elements readable here.
 */
export function elementsOf(constant: Constant): readonly number[] | undefined {
  const known = ELEMENTS.get(constant);
  if (known !== undefined) return known;
  if (countOf(constant.shape) > MOST_ELEMENTS || !inMemory(constant)) return undefined;
  if (constant.source.kind === "dims") return constant.source.dims as readonly number[];
  const elements = Array.from<number | bigint, number>(readConstant(constant, NO_FILES).data, Number);
  if (elements.length <= MOST_KEPT) ELEMENTS.set(constant, elements);
  return elements;
}

/** Elements of small constants that were asked for: rules ask again and again. */
const ELEMENTS = new WeakMap<Constant, readonly number[]>();
const MOST_KEPT = 4096;

const NO_FILES: ByteReader = {
  read(file) {
    throw new Error(`a constant in memory does not read ${file}`);
  },
};

/** Whether a recipe can be evaluated without reading files or knowing symbols. */
function inMemory({ source }: Constant): boolean {
  switch (source.kind) {
    case "inline":
    case "fill":
      return true;
    case "file":
      return false;
    case "dims":
      return source.dims.every((d) => typeof d === "number");
    default:
      return operandsOf(source).every(inMemory);
  }
}

/** The constant behind a value, if it is one. */
export function constantOf(graph: HasConstants, id: ValueId | null | undefined): Constant | undefined {
  return id === null || id === undefined ? undefined : graph.constants.get(id);
}

/** The number that a constant of one element holds (whatever its rank), or undefined. */
export function scalarOf(graph: HasConstants, id: ValueId | null | undefined): number | undefined {
  const constant = constantOf(graph, id);
  if (constant === undefined || countOf(constant.shape) !== 1) return undefined;
  return elementsOf(constant)?.[0];
}

/** Elements of a small constant of any dtype as numbers. */
export function numbersOf(
  graph: HasConstants,
  id: ValueId | null | undefined,
): readonly number[] | undefined {
  const constant = constantOf(graph, id);
  return constant === undefined ? undefined : elementsOf(constant);
}

/** Elements of a constant that is, or reshapes or converts, a list of dimensions; undefined for others. */
export function dimsOf({ dtype, source }: Constant): readonly Dim[] | undefined {
  if (source.kind === "dims") return source.dims;
  const keeps = source.kind === "reshape" || (source.kind === "cast" && dtype !== "bool");
  return keeps ? dimsOf(source.of) : undefined;
}

/** Elements of a small integer or bool constant, symbolic ones included. */
export function intsOf(graph: HasConstants, id: ValueId | null | undefined): readonly Dim[] | undefined {
  const constant = constantOf(graph, id);
  if (constant === undefined || isFloat(constant.dtype)) return undefined;
  return dimsOf(constant) ?? elementsOf(constant);
}

/** Elements of an integer constant without symbols: axes, permutations, indices. */
export function plainIntsOf(
  graph: HasConstants,
  id: ValueId | null | undefined,
): readonly number[] | undefined {
  const ints = intsOf(graph, id);
  return ints?.every((d) => typeof d === "number") ? (ints as readonly number[]) : undefined;
}

/** An i64 constant: inline bytes, or `dims` where an element is symbolic. */
export function intsConstant(values: readonly Dim[], shape: readonly number[] = [values.length]): Constant {
  if (values.some((d) => typeof d !== "number")) {
    return { dtype: "i64", shape, source: { kind: "dims", dims: values } };
  }
  const view = new DataView(new ArrayBuffer(8 * values.length));
  for (const [i, v] of values.entries()) view.setBigInt64(8 * i, toInt64(Number(v)), true);
  return { dtype: "i64", shape, source: { kind: "inline", bytes: new Uint8Array(view.buffer) } };
}

/** INT64_MAX, which slices use for "to the end", is 2^63 as a number: one more than it was. */
function toInt64(v: number): bigint {
  return v >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(v);
}

/** An f32 constant. */
export function floatsConstant(values: Iterable<number>, shape: readonly number[]): Constant {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return { dtype: "f32", shape, source: { kind: "inline", bytes } };
}

/** An f32 constant of one element. */
export function scalarConstant(value: number, shape: readonly number[] = []): Constant {
  return floatsConstant([value], shape);
}
