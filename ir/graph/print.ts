import type { Constant, ConstantSource } from "../constant/constant.js";
import type { Shape } from "../dim.js";
import type { DType } from "../dtype.js";
import type { Graph, Node, ValueType } from "./graph.js";

/**
 * Text form of a graph; `parseGraph` in `parse.ts` reads it back to an equal graph.
 *
 *   graph "flux" {
 *     input %x: f32[1, img_tokens, 64]
 *     const %w: f32[256, 64] = cast(f16[256, 64] file("model.onnx_data", 0, 32768))
 *     %y: f32[1, img_tokens, 256] = linear(%x, %w, _) {"role": null, "activation": "none", "gated": false}
 *     output %y
 *   }
 */
export function printGraph(graph: Graph, indent = ""): string {
  const inner = `${indent}  `;
  const lines = [`graph ${JSON.stringify(graph.name)} {`];
  if (graph.model !== undefined) lines.push(`${inner}model ${JSON.stringify(graph.model)}`);
  const typed = (id: string) => {
    const type = graph.types.get(id);
    return `${printId(id)}: ${type === undefined ? "?" : printType(type)}`;
  };
  for (const id of graph.inputs) lines.push(`${inner}input ${typed(id)}`);
  for (const [id, constant] of graph.constants) {
    lines.push(`${inner}const ${printId(id)}: ${printConstant(constant)}`);
  }
  for (const node of graph.nodes) {
    lines.push(`${inner}${node.outputs.map(typed).join(", ")} = ${printOperation(node, inner)}`);
  }
  lines.push(`${inner}output ${graph.outputs.map(printId).join(", ")}`, `${indent}}`);
  return lines.join("\n");
}

/** A node as one line without types, for messages. */
export function printNode(node: Node): string {
  const name = node.name === undefined ? "" : ` (node ${JSON.stringify(node.name)})`;
  return `${node.outputs.map(printId).join(", ")} = ${printOperation(node, "")}${name}`;
}

function printOperation(node: Node, indent: string): string {
  const operands = node.inputs.map((id) => (id === null ? "_" : printId(id))).join(", ");
  const attrs = Object.entries(node.attrs).map(([k, v]) => `${JSON.stringify(k)}: ${printAttr(v, indent)}`);
  return `${node.op}(${operands})${attrs.length === 0 ? "" : ` {${attrs.join(", ")}}`}`;
}

function printAttr(value: unknown, indent: string): string {
  if (isGraph(value)) return printGraph(value, indent);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return Object.is(value, -0) ? "-0" : JSON.stringify(value);
}

function isGraph(value: unknown): value is Graph {
  return typeof value === "object" && value !== null && "nodes" in value;
}

/** `%name`, or `%"any text"` where the name is not a plain word. */
export function printId(id: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(id) ? `%${id}` : `%${JSON.stringify(id)}`;
}

export function printType(type: ValueType): string {
  const text = `${type.dtype}${type.shape === null ? "[...]" : printShape(type.shape)}`;
  return type.sequence === true ? `sequence ${text}` : text;
}

export function printShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

function printConstant(constant: Constant, equals = " ="): string {
  const { dtype, shape, source } = constant;
  return `${dtype}${printShape(shape)}${equals} ${printSource(source, dtype)}`;
}

function nested(constant: Constant): string {
  return printConstant(constant, "");
}

function printSource(source: ConstantSource, dtype: DType): string {
  switch (source.kind) {
    case "inline":
      return printBytes(source.bytes, dtype);
    case "file":
      return `file(${JSON.stringify(source.file)}, ${source.offset}, ${source.length})`;
    case "dims":
      return `dims(${source.dims.join(", ")})`;
    case "fill":
      return `fill(${Object.is(source.value, -0) ? "-0" : source.value})`;
    case "reshape":
    case "cast":
    case "transpose":
    case "swap":
    case "trits":
    case "two-bit":
      return `${source.kind}(${nested(source.of)})`;
    case "concat":
      return `concat(${source.of.map(nested).join(", ")})`;
    case "rows":
      return `rows(${nested(source.of)}, ${source.start})`;
    case "dequantize": {
      const zero = source.zeroPoint === null ? "_" : nested(source.zeroPoint);
      return `dequantize(${nested(source.codes)}, ${nested(source.scale)}, ${zero}, ${source.axis}, ${source.blockSize})`;
    }
    case "blocks":
    case "to-blocks":
      return `${source.kind}(${nested(source.of)}, ${source.format})`;
    case "affine":
      return `affine(${nested(source.codes)}, ${source.bits}, ${nested(source.scales)}, ${nested(source.biases)})`;
    case "low-rank":
      return `low-rank(${nested(source.of)}, ${nested(source.up)}, ${nested(source.down)}, ${source.scale})`;
    case "sum":
      return `sum(${nested(source.of)}, ${nested(source.delta)}, ${source.scale})`;
    case "product":
      return `product(${nested(source.of)}, ${nested(source.by)})`;
    case "kronecker":
      return `kronecker(${nested(source.left)}, ${nested(source.right)})`;
    case "renormalize":
      return `renormalize(${nested(source.of)}, ${nested(source.norms)}, ${source.axis})`;
    case "rotate":
      return `rotate(${nested(source.of)}, ${nested(source.blocks)})`;
    case "ternary-codes":
    case "ternary-scales":
      return `${source.kind}(${nested(source.of)}, ${[source.method, source.group ?? []].flat().join(", ")})`;
  }
}

/** Short i64 and f32 lists as numbers, where that loses nothing; everything else as hex bytes. */
function printBytes(bytes: Uint8Array, dtype: DType): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length <= 256 && dtype === "i64") {
    return `[${Array.from({ length: bytes.length / 8 }, (_, i) => view.getBigInt64(i * 8, true)).join(", ")}]`;
  }
  if (bytes.length <= 64 && dtype === "f32") {
    const values = Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(i * 4, true));
    if (values.every((v) => Number.isFinite(v) && !Object.is(v, -0))) return `[${values.join(", ")}]`;
  }
  return `hex(${Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("")})`;
}
