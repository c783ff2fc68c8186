import type { Constant } from "../../ir/constant/constant.js";
import type { DType } from "../../ir/dtype.js";
import { dtypeOfOnnx } from "./dtypes.js";
import { invalid } from "./errors.js";
import {
  type AttributeKind,
  describeNode,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxNode,
} from "./model.js";

/** Typed access to the attributes of a node; remembers which were read. */
export class AttributeReader {
  /** How messages name the node. */
  readonly place: string;
  private readonly readAttributes = new Set<string>();

  /** @param callAttributes attributes of the function call that the node is in */
  constructor(
    readonly node: OnnxNode,
    private readonly callAttributes: ReadonlyMap<string, OnnxAttribute> | null,
  ) {
    this.place = describeNode(node);
  }

  private attribute<K extends AttributeKind>(
    name: string,
    kind: K,
  ): Extract<OnnxAttribute, { kind: K }> | null {
    this.readAttributes.add(name);
    let found = this.node.attributes.get(name);
    if (found?.kind === "reference") found = this.callAttributes?.get(found.value);
    if (found === undefined) return null;
    if (!hasKind(found, kind)) {
      throw invalid(this.place, `the attribute "${name}" is of the wrong kind`, {
        expected: kind,
        found: found.kind,
      });
    }
    return found;
  }

  has(name: string): boolean {
    this.readAttributes.add(name);
    const found = this.node.attributes.get(name);
    if (found?.kind !== "reference") return found !== undefined;
    return this.callAttributes?.has(found.value) ?? false;
  }

  /** Attributes that change nothing here. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.readAttributes.add(name);
  }

  int(name: string, fallback?: number): number {
    const found = this.attribute(name, "int");
    if (found === null) return fallback ?? this.missing(name);
    const value = Number(found.value);
    if (!Number.isSafeInteger(value)) {
      throw invalid(this.place, `the attribute "${name}" is out of range`, { found: `${found.value}` });
    }
    return value;
  }

  flag(name: string, fallback: boolean): boolean {
    return this.int(name, fallback ? 1 : 0) !== 0;
  }

  float(name: string, fallback?: number): number {
    return this.attribute(name, "float")?.value ?? fallback ?? this.missing(name);
  }

  string(name: string, fallback?: string): string {
    return this.attribute(name, "string")?.value ?? fallback ?? this.missing(name);
  }

  /** One of a few words. */
  word<W extends string>(name: string, words: readonly W[], fallback?: W): W {
    const found = this.string(name, fallback);
    for (const word of words) if (word === found) return word;
    throw invalid(this.place, `the attribute "${name}" has an unknown value`, {
      expected: words.join(", "),
      found,
    });
  }

  bigints(name: string): readonly bigint[] | null {
    return this.attribute(name, "ints")?.value ?? null;
  }

  ints(name: string): readonly number[] | null {
    const values = this.bigints(name);
    return values === null
      ? null
      : values.map((v) => {
          const n = Number(v);
          if (Number.isSafeInteger(n)) return n;
          throw invalid(this.place, `the attribute "${name}" is out of range`, { found: `${v}` });
        });
  }

  floats(name: string): readonly number[] | null {
    return this.attribute(name, "floats")?.value ?? null;
  }

  strings(name: string): readonly string[] | null {
    return this.attribute(name, "strings")?.value ?? null;
  }

  tensor(name: string): Constant | null {
    return this.attribute(name, "tensor")?.value ?? null;
  }

  graph(name: string): OnnxGraph {
    return this.attribute(name, "graph")?.value ?? this.missing(name);
  }

  /** An element type given as an ONNX type number. */
  dtypeAttribute(name: string): DType | null {
    return this.has(name) ? dtypeOfOnnx(this.int(name), this.place) : null;
  }

  /** An attribute of the node that nothing asked for. */
  protected unreadAttribute(): string | undefined {
    return [...this.node.attributes.keys()].find((name) => !this.readAttributes.has(name));
  }

  private missing(name: string): never {
    throw invalid(this.place, `the attribute "${name}" is missing`);
  }
}

function hasKind<K extends AttributeKind>(
  attribute: OnnxAttribute,
  kind: K,
): attribute is Extract<OnnxAttribute, { kind: K }> {
  return attribute.kind === kind;
}
