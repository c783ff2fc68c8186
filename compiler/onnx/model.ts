import type { Constant } from "../../ir/constant/constant.js";
import type { Shape } from "../../ir/dim.js";
import type { DType } from "../../ir/dtype.js";

/** An ONNX model as typed records: protobuf ends here. */
export interface OnnxModel {
  /** Path of the `.onnx` file. */
  readonly file: string;
  readonly graph: OnnxGraph;
  /** Domain (`""` is ai.onnx) → version. */
  readonly opsets: ReadonlyMap<string, number>;
  /** `domain:name` → model-local function. */
  readonly functions: ReadonlyMap<string, OnnxFunction>;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly NamedConstant[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

export interface NamedConstant {
  readonly name: string;
  readonly constant: Constant;
}

export interface OnnxValueInfo {
  readonly name: string;
  /** null where the file gives no type (allowed in subgraphs and for outputs). */
  readonly type: OnnxType | null;
}

export interface OnnxType {
  readonly dtype: DType;
  /** null entries are dimensions with neither value nor name; a null shape has unknown rank. */
  readonly shape: readonly (Shape[number] | null)[] | null;
  readonly sequence: boolean;
}

export interface OnnxNode {
  readonly op: string;
  readonly domain: string;
  readonly name: string;
  /** `""` is an absent optional operand. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

export interface OnnxFunction {
  readonly name: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes that a call may leave out. */
  readonly defaults: ReadonlyMap<string, OnnxAttribute>;
  readonly nodes: readonly OnnxNode[];
  readonly opsets: ReadonlyMap<string, number>;
}

export type OnnxAttribute =
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "int"; readonly value: bigint }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "ints"; readonly value: readonly bigint[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: Constant }
  | { readonly kind: "graph"; readonly value: OnnxGraph }
  /** In a function body: the caller's attribute of that name. */
  | { readonly kind: "reference"; readonly value: string }
  /** Kinds no supported operator takes (sparse tensors, type protos). */
  | { readonly kind: "other"; readonly value: string };

export type AttributeKind = OnnxAttribute["kind"];

/** How messages name a node. */
export function describeNode(node: OnnxNode): string {
  const domain = node.domain === "" ? "" : `${node.domain}.`;
  const name = node.name === "" ? (node.outputs.find((o) => o !== "") ?? "") : node.name;
  return `node "${name}" (${domain}${node.op})`;
}
