import { ROUNDED_FORMATS } from "../constant/blocks/encode.js";
import { BLOCK_FORMATS } from "../constant/blocks/formats.js";
import type { Constant, ConstantSource, TernaryMethod } from "../constant/constant.js";
import { canonicalDim, type Dim } from "../dim.js";
import { DTYPES, type DType } from "../dtype.js";
import { TextReader } from "../format/text-reader.js";
import type { ModelDescription } from "../models/index.js";
import { attrProblem } from "../ops/definition.js";
import { definitionOf, isOpName } from "../ops/index.js";
import { GROUP_SIZES } from "../ternary/groups.js";
import type { Graph, Node, ValueType } from "./graph.js";

/** Reads the text form that `printGraph` writes. Errors give line, column and what was expected. */
export function parseGraph(text: string, file = "graph text"): Graph {
  const reader = new TextReader(text, file);
  try {
    const graph = readGraph(reader);
    reader.end();
    return graph;
  } catch (error) {
    // Dimensions and whole numbers that are none, and constants nested beyond the call stack.
    if (error instanceof RangeError || error instanceof SyntaxError) return reader.fail(error.message);
    throw error;
  }
}

function readGraph(r: TextReader): Graph {
  r.expect("graph");
  const name = r.string();
  r.expect("{");
  const inputs: string[] = [];
  const types = new Map<string, ValueType>();
  const constants = new Map<string, Constant>();
  const nodes: Node[] = [];
  let model: ModelDescription | undefined;
  const define = (id: string, type: ValueType) => {
    if (types.has(id)) r.fail(`value %${id} is defined twice`);
    types.set(id, type);
  };
  for (;;) {
    if (r.accept("model")) model = r.json() as ModelDescription;
    else if (r.accept("input")) {
      const id = readId(r);
      r.expect(":");
      define(id, readType(r));
      inputs.push(id);
    } else if (r.accept("const")) {
      const id = readId(r);
      r.expect(":");
      const constant = readConstant(r, true);
      define(id, { dtype: constant.dtype, shape: constant.shape });
      constants.set(id, constant);
    } else if (r.peek("%")) nodes.push(readNode(r, define));
    else break;
  }
  r.expect("output");
  const outputs = r.list(() => readId(r));
  r.expect("}");
  return { name, inputs, outputs, types, constants, nodes, ...(model === undefined ? {} : { model }) };
}

function readId(r: TextReader): string {
  r.expect("%");
  return r.peek('"') ? r.string() : r.match(/[A-Za-z0-9_./-]+/y, "a value name");
}

function readDType(r: TextReader): DType {
  const word = r.match(/[a-z0-9]+/y, "an element type");
  return DTYPES.find((d) => d === word) ?? r.fail(`${word} is no element type`);
}

function readDim(r: TextReader): Dim {
  const text = r.match(/[A-Za-z0-9_.*+-]+/y, "a dimension");
  return /^-?\d+$/.test(text) ? Number(text) : canonicalDim(text);
}

function readType(r: TextReader): ValueType {
  const sequence = r.accept("sequence") ? ({ sequence: true } as const) : {};
  const dtype = readDType(r);
  r.expect("[");
  if (r.accept("...")) {
    r.expect("]");
    return { dtype, shape: null, ...sequence };
  }
  const shape = r.peek("]") ? [] : r.list(() => readDim(r));
  r.expect("]");
  return { dtype, shape, ...sequence };
}

function readNode(r: TextReader, define: (id: string, type: ValueType) => void): Node {
  const outputs = r.list(() => {
    const id = readId(r);
    r.expect(":");
    define(id, readType(r));
    return id;
  });
  r.expect("=");
  const op = r.match(/[a-z0-9-]+/y, "an operation");
  if (!isOpName(op)) return r.fail(`unknown operation ${op}`);
  r.expect("(");
  const inputs = r.peek(")") ? [] : r.list(() => (r.accept("_") ? null : readId(r)));
  r.expect(")");
  const attrs: Record<string, unknown> = {};
  if (r.accept("{")) {
    r.list(() => {
      const key = r.string();
      r.expect(":");
      if (key === "__proto__") r.fail("no attribute has this name");
      attrs[key] = r.peek("graph") ? readGraph(r) : r.json();
    });
    r.expect("}");
  }
  const schema = definitionOf(op).attrs;
  for (const [key, kind] of Object.entries(schema)) {
    const problem = attrProblem(kind, attrs[key]);
    if (problem !== undefined)
      r.fail(`attribute ${key} of ${op} must be ${Object.hasOwn(attrs, key) ? problem : "a value"}`);
  }
  for (const key of Object.keys(attrs))
    if (!Object.hasOwn(schema, key)) r.fail(`${op} has no attribute ${key}`);
  // The schema has just been checked key by key; it mirrors OpAttrs.
  return { op, inputs, outputs, attrs } as unknown as Node;
}

function readConstant(r: TextReader, named = false): Constant {
  const dtype = readDType(r);
  r.expect("[");
  const shape = r.peek("]") ? [] : r.list(() => r.integer());
  r.expect("]");
  if (named) r.expect("=");
  return { dtype, shape, source: readSource(r, dtype) };
}

function readSource(r: TextReader, dtype: DType): ConstantSource {
  if (r.accept("[")) {
    const values = r.peek("]") ? [] : r.list(() => r.match(/-?[0-9.]+(?:e[+-]?\d+)?/y, "a number"));
    r.expect("]");
    return { kind: "inline", bytes: dtype === "i64" ? longs(values) : floats(values) };
  }
  const kind = r.match(/[a-z-]+/y, "a constant's source");
  r.expect("(");
  const source = readSourceBody(r, kind);
  r.expect(")");
  return source;
}

function readSourceBody(r: TextReader, kind: string): ConstantSource {
  const comma = () => r.expect(",");
  switch (kind) {
    case "hex":
      return { kind: "inline", bytes: hex(r.match(/(?:[0-9a-f]{2})*/y, "hex bytes")) };
    case "file": {
      const file = r.string();
      comma();
      const offset = r.integer();
      comma();
      return { kind, file, offset, length: r.integer() };
    }
    case "dims":
      return { kind, dims: r.peek(")") ? [] : r.list(() => readDim(r)) };
    case "fill":
      return { kind, value: Number(r.match(/-?(?:[0-9.]+(?:e[+-]?\d+)?|Infinity)|NaN/y, "a number")) };
    case "reshape":
    case "cast":
    case "transpose":
    case "swap":
    case "trits":
    case "two-bit":
      return { kind, of: readConstant(r) };
    case "concat":
      return { kind, of: r.list(() => readConstant(r)) };
    case "rows": {
      const of = readConstant(r);
      comma();
      return { kind, of, start: r.integer() };
    }
    case "dequantize": {
      const codes = readConstant(r);
      comma();
      const scale = readConstant(r);
      comma();
      const zeroPoint = r.accept("_") ? null : readConstant(r);
      comma();
      const axis = r.integer();
      comma();
      return { kind, codes, scale, zeroPoint, axis, blockSize: r.integer() };
    }
    case "blocks": {
      const of = readConstant(r);
      comma();
      const name = r.match(/\w+/y, "a form of blocks");
      const format = BLOCK_FORMATS.find((known) => known === name);
      return format === undefined ? r.fail(`there are no blocks ${name}`) : { kind, of, format };
    }
    case "to-blocks": {
      const of = readConstant(r);
      comma();
      const name = r.match(/\w+/y, "a form of blocks");
      const format = ROUNDED_FORMATS.find((known) => known === name);
      return format === undefined
        ? r.fail(`values are rounded to blocks ${ROUNDED_FORMATS.join(" or ")}, not ${name}`)
        : { kind, of, format };
    }
    case "affine": {
      const codes = readConstant(r);
      comma();
      const bits = Number(r.match(/[1-8]/y, "bits of a code"));
      comma();
      const scales = readConstant(r);
      comma();
      return { kind, codes, bits, scales, biases: readConstant(r) };
    }
    case "low-rank": {
      const of = readConstant(r);
      comma();
      const up = readConstant(r);
      comma();
      const down = readConstant(r);
      comma();
      return { kind, of, up, down, scale: readNumber(r) };
    }
    case "sum": {
      const of = readConstant(r);
      comma();
      const delta = readConstant(r);
      comma();
      return { kind, of, delta, scale: readNumber(r) };
    }
    case "product": {
      const of = readConstant(r);
      comma();
      return { kind, of, by: readConstant(r) };
    }
    case "kronecker": {
      const left = readConstant(r);
      comma();
      return { kind, left, right: readConstant(r) };
    }
    case "renormalize": {
      const of = readConstant(r);
      comma();
      const norms = readConstant(r);
      comma();
      return { kind, of, norms, axis: r.match(/[01]/y, "0 or 1") === "0" ? 0 : 1 };
    }
    case "rotate": {
      const of = readConstant(r);
      comma();
      return { kind, of, blocks: readConstant(r) };
    }
    case "ternary-codes":
    case "ternary-scales": {
      const of = readConstant(r);
      comma();
      const method = r.match(/exact|absmean/y, "exact or absmean") as TernaryMethod;
      if (!r.peek(",")) return { kind, of, method };
      comma();
      const size = r.integer();
      const group = GROUP_SIZES.find((known) => known === size);
      return group === undefined
        ? r.fail(`groups are of ${GROUP_SIZES.join(", ")} inputs`)
        : { kind, of, method, group };
    }
    default:
      return r.fail(`there is no constant source ${kind}`);
  }
}

function readNumber(r: TextReader): number {
  return Number(r.match(/-?[0-9.]+(?:e[+-]?\d+)?/y, "a number"));
}

function longs(values: readonly string[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
}

function floats(values: readonly string[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values, Number).buffer);
}

function hex(digits: string): Uint8Array {
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}
