import onnxProto, { type onnx as Onnx } from "onnx-proto";
import type { Dice } from "./dice.js";

const OPS = [
  ...[
    "Add",
    "Mul",
    "Div",
    "Neg",
    "Exp",
    "MatMul",
    "Gemm",
    "Softmax",
    "Reshape",
    "Transpose",
    "Concat",
    "Split",
  ],
  ...[
    "Slice",
    "Gather",
    "Shape",
    "Expand",
    "Tile",
    "Range",
    "Where",
    "Cast",
    "ReduceMean",
    "ConstantOfShape",
  ],
  ...["Squeeze", "Unsqueeze", "LayerNormalization", "Einsum", "Pad", "Resize", "Conv", "NoSuchOperator"],
] as const;
const NUMBERS = [
  -(2n ** 63n),
  -3n,
  -1n,
  0n,
  1n,
  2n,
  3n,
  7n,
  64n,
  2n ** 20n,
  2n ** 31n,
  2n ** 40n,
  2n ** 63n - 1n,
];
const NAMES = ["", "constructor", "__proto__", "\u001b[2J", "no such value", "a".repeat(300)] as const;
const TYPES = [0, 1, 2, 6, 7, 9, 10, 11, 16, 17, 99] as const;

type Graph = Onnx.IGraphProto;

/** A copy of a model with one to three changes of its structure. */
export function mutateOnnx(bytes: Uint8Array, roll: Dice): Uint8Array {
  const model = onnxProto.onnx.ModelProto.decode(bytes);
  for (let k = roll(3); k >= 0; k--) CHANGES[roll(CHANGES.length)]?.(model, model.graph ?? {}, roll);
  return onnxProto.onnx.ModelProto.encode(model).finish();
}

function pick<T>(list: readonly T[] | null | undefined, roll: Dice): T | undefined {
  return list?.[roll(list.length)];
}

function someValue(graph: Graph, roll: Dice): string {
  const names = [
    ...(graph.input ?? []).map((v) => v.name ?? ""),
    ...(graph.initializer ?? []).map((v) => v.name ?? ""),
    ...(graph.node ?? []).flatMap((n) => n.output ?? []),
    ...NAMES,
  ];
  return pick(names, roll) ?? "";
}

function int64(value: bigint): NonNullable<Onnx.IAttributeProto["i"]> {
  return onnxProto.onnx.AttributeProto.fromObject({ i: `${value}` }).i;
}

function number(roll: Dice) {
  return int64(pick(NUMBERS, roll) ?? 0n);
}

function changeType(value: Onnx.IValueInfoProto | undefined, roll: Dice): void {
  const type = value?.type?.tensorType;
  if (!type) return;
  const dims = type.shape?.dim ?? [];
  const dim = pick(dims, roll);
  switch (roll(6)) {
    case 0:
      type.shape = null;
      break;
    case 1:
      type.elemType = pick(TYPES, roll) ?? 0;
      break;
    case 2:
      dims.push({ dimValue: number(roll) });
      break;
    case 3:
      dims.pop();
      break;
    case 4:
      if (dim !== undefined) Object.assign(dim, { dimValue: null, dimParam: pick(NAMES, roll) });
      break;
    default:
      if (dim !== undefined) Object.assign(dim, { dimParam: null, dimValue: number(roll) });
  }
}

function changeTensor(tensor: Onnx.ITensorProto | undefined | null, roll: Dice): void {
  if (!tensor) return;
  const raw = tensor.rawData ?? new Uint8Array();
  switch (roll(6)) {
    case 0:
      tensor.dataType = pick(TYPES, roll) ?? 0;
      break;
    case 1:
      tensor.dims = [...(tensor.dims ?? []), number(roll)];
      break;
    case 2:
      tensor.rawData = raw.slice(0, roll(raw.length + 1));
      break;
    case 3: {
      const location = pick(["../../etc/passwd", "/dev/zero", "model.onnx", "none.bin"], roll) ?? "";
      const entry = (key: string) => ({ key, value: `${pick(NUMBERS, roll)}` });
      tensor.dataLocation = 1;
      tensor.externalData = [{ key: "location", value: location }, entry("offset"), entry("length")];
      break;
    }
    case 4: {
      // A number of an i64 list: axes, shapes, indices.
      const at = 8 * roll(Math.floor(raw.length / 8));
      const next = Uint8Array.from(raw);
      if (next.length >= at + 8) new DataView(next.buffer).setBigInt64(at, pick(NUMBERS, roll) ?? 0n, true);
      tensor.rawData = next;
      break;
    }
    default:
      tensor.name = pick(NAMES, roll) ?? "";
  }
}

function changeAttribute(node: Onnx.INodeProto | undefined, roll: Dice): void {
  const attributes = node?.attribute ?? [];
  const attribute = pick(attributes, roll);
  if (attribute === undefined) return;
  if (attribute.t && roll(2) === 0) {
    changeTensor(attribute.t, roll);
    return;
  }
  switch (roll(5)) {
    case 0:
      attributes.splice(attributes.indexOf(attribute), 1);
      break;
    case 1:
      attribute.type = roll(12);
      break;
    case 2:
      attribute.ints = [...(attribute.ints ?? []), number(roll)];
      break;
    case 3:
      if (attribute.ints?.length) attribute.ints[roll(attribute.ints.length)] = number(roll);
      break;
    default:
      attribute.i = number(roll);
  }
}

type Change = (model: Onnx.ModelProto, graph: Graph, roll: Dice) => void;

const CHANGES: readonly Change[] = [
  (_, graph, roll) => {
    const inputs = pick(graph.node, roll)?.input;
    if (inputs?.length) inputs[roll(inputs.length)] = someValue(graph, roll);
  },
  (_, graph, roll) => pick(graph.node, roll)?.input?.push(someValue(graph, roll)),
  (_, graph, roll) => void pick(graph.node, roll)?.input?.pop(),
  (_, graph, roll) => void graph.node?.splice(roll(graph.node.length), 1),
  (_, graph, roll) => {
    const node = pick(graph.node, roll);
    if (node !== undefined) graph.node?.push(node);
  },
  (_, graph, roll) => {
    const [a, b] = [roll(graph.node?.length ?? 0), roll(graph.node?.length ?? 0)];
    const list = graph.node ?? [];
    const [x, y] = [list[a], list[b]];
    if (x !== undefined && y !== undefined) [list[a], list[b]] = [y, x];
  },
  (_, graph, roll) => {
    const node = pick(graph.node, roll);
    if (node !== undefined) node.opType = pick(OPS, roll) ?? "";
  },
  (_, graph, roll) => {
    const outputs = pick(graph.node, roll)?.output;
    if (outputs?.length) outputs[roll(outputs.length)] = someValue(graph, roll);
  },
  (_, graph, roll) => changeAttribute(pick(graph.node, roll), roll),
  (_, graph, roll) => changeAttribute(pick(graph.node, roll), roll),
  (_, graph, roll) => changeTensor(pick(graph.initializer, roll), roll),
  (_, graph, roll) => changeTensor(pick(graph.initializer, roll), roll),
  (_, graph, roll) => changeType(pick(graph.input, roll), roll),
  (_, graph, roll) => changeType(pick(graph.output, roll), roll),
  (_, graph, roll) => void graph.initializer?.splice(roll(graph.initializer.length), 1),
  (_, graph, roll) => {
    const output = pick(graph.output, roll);
    if (output !== undefined) output.name = someValue(graph, roll);
  },
  (model, _, roll) => {
    const opset = pick(model.opsetImport, roll);
    if (opset) opset.version = number(roll);
  },
  (model, _, roll) => {
    model.opsetImport = roll(2) === 0 ? [] : [onnxProto.onnx.OperatorSetIdProto.create({ domain: "x" })];
  },
];
