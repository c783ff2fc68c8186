import { isBig, type NumberData } from "../constant/convert.js";
import type { Dim } from "../dim.js";
import type { DType } from "../dtype.js";
import type { Graph, ValueId, ValueType } from "../graph/graph.js";
import type { OpAttrs, OpName, OpOf, SectionName } from "../ops/index.js";
import { allocate, countOf, type Tensor, type TensorData } from "../tensor.js";

/** A value of the ONNX sequence type. */
export interface Sequence {
  readonly items: readonly Tensor[];
  readonly dtype: DType;
}

export type Value = Tensor | Sequence;
export type Floats = Float32Array | Float64Array;

export function isSequence(value: Value): value is Sequence {
  return "items" in value;
}

/** What an op may ask of the interpreter. */
export interface Context {
  /** Whether floats of every dtype are computed and kept in f64. */
  readonly wide: boolean;
  /** Number of outputs the node has. */
  readonly outputs: number;
  /** What the graph says of an output. */
  outputType(index: number): ValueType | undefined;
  dim(dim: Dim): number;
  /** Counts one iteration of a loop. Throws TRITC_E_LOOP where all loops together have had too many. */
  iterate(): void;
  /** Runs a subgraph; values of the enclosing graphs are visible in it. */
  run(graph: Graph, inputs: readonly Value[]): readonly Value[];
}

/** Executes one op. Throws OpError for operands it cannot take. */
export type Handler<K extends OpName> = (
  x: Operands,
  attrs: OpAttrs[K],
  context: Context,
) => Value | readonly Value[];

export type Section<S extends SectionName> = { readonly [K in OpOf<S>]: Handler<K> };

/** What is wrong with an operand; the interpreter adds the node and the operand types. */
export class OpError extends Error {}

export class Operands {
  constructor(
    private readonly values: readonly (Value | null)[],
    readonly ids: readonly (ValueId | null)[],
  ) {}

  get count(): number {
    return this.values.length;
  }

  value(index: number): Value {
    const value = this.values[index];
    if (value === undefined || value === null) throw new OpError(`operand ${index} is missing`);
    return value;
  }

  tensor(index: number): Tensor {
    const value = this.value(index);
    if (isSequence(value)) throw new OpError(`operand ${index} is a sequence, not a tensor`);
    return value;
  }

  optional(index: number): Tensor | null {
    return this.values[index] === undefined || this.values[index] === null ? null : this.tensor(index);
  }

  sequence(index: number): Sequence {
    const value = this.value(index);
    if (!isSequence(value)) throw new OpError(`operand ${index} is a tensor, not a sequence`);
    return value;
  }

  tensors(): readonly Tensor[] {
    return this.values.map((_, index) => this.tensor(index));
  }

  present(): readonly Value[] {
    return this.values.filter((value) => value !== null);
  }
}

/** Float data, or an error that names the operand's dtype. */
export function floats(t: Tensor): Floats {
  if (t.data instanceof Float32Array || t.data instanceof Float64Array) return t.data;
  throw new OpError(`a float tensor was expected, not ${t.dtype}`);
}

/** The data as JavaScript numbers; 64-bit integers become doubles. */
export function numbers(t: Tensor): NumberData {
  return isBig(t.data) ? Float64Array.from(t.data, Number) : t.data;
}

/** A shape-like or index tensor as whole numbers. INT64_MIN and INT64_MAX come out as huge doubles: clamp them. */
export function ints(t: Tensor): number[] {
  return Array.from(t.data, Number);
}

/** The only element of a tensor as a number. */
export function scalar(t: Tensor): number {
  const value = t.data[0];
  if (value === undefined || t.data.length !== 1)
    throw new OpError(`one element was expected, not [${t.shape.join(", ")}]`);
  return Number(value);
}

export function newFloats(dtype: DType, count: number, wide: boolean): Floats {
  return wide || dtype === "f64" ? new Float64Array(count) : new Float32Array(count);
}

/** An i64 tensor of whole numbers. */
export function i64(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return { dtype: "i64", shape, data: BigInt64Array.from(values, BigInt) };
}

export function withShape(t: Tensor, shape: readonly number[]): Tensor {
  if (countOf(shape) !== t.data.length) {
    throw new OpError(`[${t.shape.join(", ")}] cannot become [${shape.join(", ")}]`);
  }
  return { dtype: t.dtype, shape, data: t.data };
}

/** A non-negative axis of a rank. */
export function axisOf(axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(at) || at < 0 || at >= Math.max(rank, 1)) {
    throw new OpError(`axis ${axis} is outside rank ${rank}`);
  }
  return at;
}

/** Non-negative, distinct axes. */
export function axesOf(axes: readonly number[], rank: number): number[] {
  const out = axes.map((axis) => axisOf(axis, rank));
  if (new Set(out).size !== out.length) throw new OpError(`axes ${axes.join(", ")} repeat`);
  return out;
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  return strides;
}

/** The axes before, at and after `axis` as three sizes. */
export function around(
  shape: readonly number[],
  axis: number,
): { outer: number; size: number; inner: number } {
  return {
    outer: countOf(shape.slice(0, axis)),
    size: shape[axis] ?? 1,
    inner: countOf(shape.slice(axis + 1)),
  };
}

/** Zeros of the dtype and width of a tensor. */
export function like(t: Tensor, count: number): TensorData {
  return allocate(t.dtype, count, t.data instanceof Float64Array);
}

export function sameDims(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}
