import type { onnx as Onnx } from "onnx-proto";
import type { DType } from "../../ir/dtype.js";
import { ONNX_TYPE } from "./format.js";

/** Name of a value in the ONNX graph under construction. */
export type Name = string;

/** An attribute by its ONNX type: 3 may be an int or a float. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly tensor: Onnx.ITensorProto };
export type Attributes = Readonly<Record<string, Attribute>>;

/** ONNX has no attributes of truth values. */
export function flag(value: boolean): Attribute {
  return { int: value ? 1 : 0 };
}

/** A tensor of the file; its bytes are made when it is written. */
export interface Initializer {
  readonly name: Name;
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Little-endian bytes, in pieces of bounded size. */
  chunks(): Iterable<Uint8Array>;
}

/** Collects the nodes and initializers of an ONNX graph; every value gets a name of its own. */
export class OnnxWriter {
  readonly nodes: Onnx.INodeProto[] = [];
  readonly initializers: Initializer[] = [];
  /** What the names of values start with from now on: the value of the source graph they are part of. */
  scope = "";
  readonly #taken: Set<Name>;
  /** How often a base name was asked for: names are numbered without searching. */
  readonly #counts = new Map<string, number>();
  readonly #small = new Map<string, Name>();

  /** @param reserved names that only the caller gives away: those of the graph's inputs and outputs */
  constructor(reserved: Iterable<Name>) {
    this.#taken = new Set(reserved);
  }

  /** A name nobody has, starting with `base`. */
  name(base: string): Name {
    for (let count = this.#counts.get(base) ?? 0; ; count++) {
      const name = count === 0 ? base : `${base}.${count}`;
      if (this.#taken.has(name)) continue;
      this.#counts.set(base, count + 1);
      this.#taken.add(name);
      return name;
    }
  }

  /** Appends a node of one output, and gives its name. */
  op(type: string, inputs: readonly (Name | null)[], attributes: Attributes = {}): Name {
    const [name = ""] = this.many(type, inputs, 1, attributes);
    return name;
  }

  /** Appends a node of several outputs. */
  many(
    type: string,
    inputs: readonly (Name | null)[],
    count: number,
    attributes: Attributes = {},
  ): readonly Name[] {
    const base = this.scope === "" ? type : `${this.scope}/${type}`;
    const outputs = Array.from({ length: count }, () => this.name(base));
    this.#emit(type, inputs, outputs, attributes);
    return outputs;
  }

  /** Appends a node whose output has a reserved name. */
  output(type: string, inputs: readonly Name[], name: Name, attributes: Attributes = {}): void {
    this.#emit(type, inputs, [name], attributes);
  }

  #emit(
    opType: string,
    inputs: readonly (Name | null)[],
    outputs: readonly Name[],
    attributes: Attributes,
  ): void {
    // Trailing absent operands are left out, as the specification asks.
    const last = inputs.findLastIndex((input) => input !== null);
    this.nodes.push({
      opType,
      name: outputs[0] ?? "",
      input: inputs.slice(0, last + 1).map((input) => input ?? ""),
      output: [...outputs],
      attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
    });
  }

  /** Adds a tensor; gives its name. */
  initializer(base: string, tensor: Omit<Initializer, "name">): Name {
    const name = this.name(base);
    this.initializers.push({ ...tensor, name });
    return name;
  }

  /** Whole numbers as an i64 tensor: a vector, or a scalar. Equal ones share an initializer. */
  integers(values: readonly number[], scalar = false): Name {
    const bytes = bytesOf(BigInt64Array.from(values, BigInt));
    return this.#shared(`i64:${scalar}:${values.join(",")}`, "i64", scalar ? [] : [values.length], bytes);
  }

  /** Floats as a tensor. Equal ones share an initializer. */
  floats(values: readonly number[], dims: readonly number[]): Name {
    return this.#shared(
      `f32:${dims.join(",")}:${values.join(",")}`,
      "f32",
      dims,
      bytesOf(Float32Array.from(values)),
    );
  }

  /** A scalar of a float type; ONNX has no mixed arithmetic. */
  scalar(value: number, dtype: DType): Name {
    return this.cast(this.floats([value], []), "f32", dtype);
  }

  /** The value in another element type; itself where it has that type. */
  cast(value: Name, from: DType, to: DType): Name {
    return from === to ? value : this.op("Cast", [value], { to: { int: ONNX_TYPE[to] } });
  }

  #shared(key: string, dtype: DType, dims: readonly number[], bytes: Uint8Array): Name {
    const known = this.#small.get(key);
    if (known !== undefined) return known;
    const name = this.initializer("const", { dtype, dims, chunks: () => [bytes] });
    this.#small.set(key, name);
    return name;
  }
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** `AttributeProto.AttributeType` */
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, tensor: 4, ints: 7 } as const;

function attributeProto(name: string, value: Attribute): Onnx.IAttributeProto {
  if ("int" in value) return { name, type: ATTRIBUTE_TYPE.int, i: value.int };
  if ("float" in value) return { name, type: ATTRIBUTE_TYPE.float, f: value.float };
  if ("string" in value)
    return { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(value.string) };
  if ("ints" in value) return { name, type: ATTRIBUTE_TYPE.ints, ints: [...value.ints] };
  return { name, type: ATTRIBUTE_TYPE.tensor, t: value.tensor };
}
