import { type GraphParts, graph, node, tensor, value } from "../onnx-builder.js";
import { add, bytes, type HostileCase, small, x, y } from "./case.js";

function nodes(
  name: string,
  message: RegExp,
  list: NonNullable<GraphParts["nodes"]>,
  parts: GraphParts = {},
  code = "ONNX_INVALID",
): HostileCase {
  return bytes(name, code, message, () => small({ nodes: list, ...parts }));
}

/** Names: dangling, repeated, circular. */
const NAMES: readonly HostileCase[] = [
  nodes("an operand nobody defines", /node "n" \(Add\): the operand "ghost" is not a value/, [
    node("Add", ["x", "ghost"], ["y"], {}, { name: "n" }),
  ]),
  nodes(
    "a cycle of two",
    /the graph has a cycle/,
    [node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"])],
    {
      outputs: [value("a")],
    },
  ),
  nodes("a node that reads itself", /node "y" \(Add\): the graph has a cycle/, [
    node("Add", ["x", "y"], ["y"]),
  ]),
  nodes("two producers", /the value "y" is produced twice/, [add, node("Neg", ["x"], ["y"])]),
  nodes("an output named as an input", /the name "x" is used twice/, [node("Neg", ["w"], ["x"]), add]),
  nodes("an output named as an initializer", /the name "w" is used twice/, [node("Neg", ["x"], ["w"]), add]),
  nodes("an input listed twice", /input "x": the name "x" is used twice/, [add], { inputs: [x, x] }),
  nodes("an initializer twice", /tensor "w": the name "w" is used twice/, [add], {
    initializers: [tensor("w", "f32", [3], [1, 2, 3]), tensor("w", "f32", [3], [3, 2, 1])],
  }),
  nodes("an output nobody defines", /output "z": no node, input or initializer/, [add], {
    outputs: [value("z")],
  }),
  nodes("an output listed twice", /an output is listed twice/, [add], { outputs: [y, y] }),
  nodes("no outputs", /the graph has no outputs/, [add], { outputs: [] }),
  nodes("an input without a name", /a graph input has no name/, [add], { inputs: [x, value("")] }),
];

/** Types, operands and attributes. */
const TYPES: readonly HostileCase[] = [
  nodes(
    "operands of two types",
    /node "add_1" \(Add\): the operands have different element types[\s\S]*i64/,
    [add],
    {
      initializers: [tensor("w", "i64", [3], [1, 2, 3])],
    },
  ),
  nodes("an output of another type", /output "y": the value has another type[\s\S]*i64[\s\S]*f32/, [add], {
    outputs: [value("y", "i64")],
  }),
  nodes("logic on floats", /\(Not\): the operand "x" has the wrong element type[\s\S]*bool[\s\S]*f32/, [
    node("Not", ["x"], ["y"]),
  ]),
  nodes("float indices", /\(Gather\): the operand "w" has the wrong element type/, [
    node("Gather", ["x", "w"], ["y"]),
  ]),
  nodes("an input without a type", /input "u": the input has no type/, [add], { inputs: [x, { name: "u" }] }),
  nodes(
    "an input of strings",
    /input "u"[\s\S]*STRING/,
    [add],
    { inputs: [x, value("u", "string")] },
    "ONNX_UNSUPPORTED",
  ),
  nodes(
    "an input of a map",
    /input "u"[\s\S]*map/,
    [add],
    { inputs: [x, { name: "u", type: { mapType: { keyType: 7 } } }] },
    "ONNX_UNSUPPORTED",
  ),
  nodes("an input of negative size", /input "u": a dimension is not a size[\s\S]*-7/, [add], {
    inputs: [x, value("u", "f32", [-7])],
  }),
  nodes("a sequence for a tensor", /is a sequence, not a tensor/, [
    node("SequenceConstruct", ["x"], ["s"]),
    node("Cos", ["s"], ["y"]),
  ]),
  nodes("a tensor for a sequence", /the operand "x" is not a sequence/, [
    node("SequenceLength", ["x"], ["y"]),
  ]),
  nodes("too few operands", /\(Add\): operand 1 is missing/, [node("Add", ["x"], ["y"])]),
  nodes("too many operands", /\(Neg\): the node has more operands/, [node("Neg", ["x", "w"], ["y"])]),
  nodes(
    "too many outputs",
    /\(Neg\): output 1 \("z"\)/,
    [node("Neg", ["x"], ["y", "z"])],
    {},
    "ONNX_UNSUPPORTED",
  ),
  nodes(
    "an attribute of the wrong kind",
    /\(Concat\): the attribute "axis" is of the wrong kind[\s\S]*int[\s\S]*float/,
    [node("Concat", ["x", "x"], ["y"], { axis: { f: 1 } })],
  ),
  nodes("an attribute nobody knows", /\(Neg\): the operator has no attribute "speed"/, [
    node("Neg", ["x"], ["y"], { speed: { i: 1 } }),
  ]),
  nodes("an attribute that is missing", /\(Concat\): the attribute "axis" is missing/, [
    node("Concat", ["x"], ["y"]),
  ]),
  nodes("an attribute beyond 2^53", /the attribute "axis" is out of range/, [
    node("Concat", ["x"], ["y"], { axis: { i: 2n ** 60n } }),
  ]),
  nodes("an axis out of range", /\(Softmax\): the axis is out of range[\s\S]*-2 to 1[\s\S]*5/, [
    node("Softmax", ["x"], ["y"], { axis: { i: 5 } }),
  ]),
  nodes("a permutation that repeats an axis", /"perm" does not reorder the axes/, [
    node("Transpose", ["x"], ["y"], { perm: { ints: [0, 0] } }),
  ]),
  nodes("a word nobody knows", /the attribute "mode" has an unknown value[\s\S]*sideways/, [
    node("DepthToSpace", ["x"], ["y"], { blocksize: { i: 2 }, mode: { s: "sideways" } }),
  ]),
  nodes("an equation for other operands", /the equation does not fit the operands/, [
    node("Einsum", ["x"], ["y"], { equation: { s: "ij,jk->ik" } }),
  ]),
  nodes(
    "a scale of the wrong shape",
    /\(DequantizeLinear\): the scale has the wrong shape[\s\S]*\[2\][\s\S]*\[3\]/,
    [node("DequantizeLinear", ["q", "w"], ["y"], { axis: { i: 0 } })],
    { initializers: [tensor("q", "i8", [2, 2], [1, 2, 3, 4]), tensor("w", "f32", [3], [1, 2, 3])] },
  ),
];

const branch = (name: string, type: "f32" | "i64") =>
  graph({
    outputs: [value(name)],
    nodes: [node("Cast", ["x"], [name], { to: { i: type === "f32" ? 1 : 7 } })],
  });

/** Subgraphs, operator sets, and what this reader refuses whole. */
const MODELS: readonly HostileCase[] = [
  nodes(
    "branches of two types",
    /output "b": the value has another type|else branch changes its type/,
    [
      node("If", ["c"], ["y"], {
        then_branch: { g: branch("a", "f32") },
        else_branch: { g: branch("b", "i64") },
      }),
    ],
    { inputs: [x, value("c", "bool", [])] },
  ),
  nodes(
    "a loop body with too few inputs",
    /another number of inputs than its operator gives it[\s\S]*3[\s\S]*2/,
    [
      node("Loop", ["", "", "x"], ["y"], {
        body: {
          g: graph({ inputs: [value("i", "i64"), value("k", "bool")], outputs: [value("k", "bool")] }),
        },
      }),
    ],
  ),
  bytes("no operator set", "ONNX_INVALID", /does not say which version/, () => small({}, { opset: null })),
  bytes("an operator set from the future", "ONNX_UNSUPPORTED", /opset 7 to 25[\s\S]*opset 99/, () =>
    small({}, { opset: 99 }),
  ),
  bytes("an operator set from the past", "ONNX_UNSUPPORTED", /opset 7 to 25[\s\S]*opset 3/, () =>
    small({}, { opset: 3 }),
  ),
  bytes(
    "unknown operators",
    "ONNX_UNSUPPORTED",
    /3 operators are not supported:[\s\S]*ai\.onnx\.Det \(2x, first at node "y" \(Det\)\)[\s\S]*ai\.onnx\.Teleport \(1x[\s\S]*my\.domain\.Add \(1x/,
    () =>
      small({
        nodes: [
          node("Det", ["x"], ["y"]),
          node("Det", ["x"], ["z"]),
          node("Teleport", ["x"], ["t"]),
          node("Add", ["x", "x"], ["u"], {}, { domain: "my.domain" }),
        ],
      }),
  ),
  bytes("an operator named as a helper", "ONNX_UNSUPPORTED", /ai\.onnx\.constructor/, () =>
    small({ nodes: [node("constructor", ["x"], ["y"])] }),
  ),
  bytes("control characters in names", "ONNX_UNSUPPORTED", /Evil\\u\{1b\}\[31m/, () =>
    small({ nodes: [node("Evil\x1b[31m", ["x"], ["y"])] }),
  ),
  bytes(
    "TensorRT operators",
    "QUANTIZED_EXPORT",
    /trt::TRT_FP8QuantizeLinear[\s\S]*use the bf16 export/,
    () => small({ nodes: [node("TRT_FP8QuantizeLinear", ["x", "w"], ["y"], {}, { domain: "trt" })] }),
  ),
  bytes("quantized activations", "QUANTIZED_EXPORT", /QuantizeLinear[\s\S]*use the bf16 export/, () =>
    small({
      nodes: [node("QuantizeLinear", ["x", "w"], ["q"]), node("DequantizeLinear", ["q", "w"], ["y"])],
    }),
  ),
  bytes(
    "4-bit weights of ONNX Runtime's own",
    "QUANTIZED_EXPORT",
    /MatMulNBits[\s\S]*use the bf16 export/,
    () => small({ nodes: [node("MatMulNBits", ["x", "w", "w"], ["y"], {}, { domain: "com.microsoft" })] }),
  ),
  bytes("a cast to float8", "QUANTIZED_EXPORT", /FLOAT8E5M2[\s\S]*use the bf16 export/, () =>
    small({ nodes: [node("Cast", ["x"], ["y"], { to: { i: 19 } })] }),
  ),
  bytes("a function that calls itself", "ONNX_INVALID", /functions call each other too deeply/, () =>
    small(
      { nodes: [node("F", ["x"], ["y"], {}, { domain: "local" })] },
      {
        domains: ["local"],
        functions: [
          {
            name: "F",
            domain: "local",
            inputs: ["a"],
            outputs: ["b"],
            nodes: [node("F", ["a"], ["b"], {}, { domain: "local" })],
          },
        ],
      },
    ),
  ),
];

export const GRAPH_CASES: readonly HostileCase[] = [...NAMES, ...TYPES, ...MODELS];
