import onnxProto from "onnx-proto";
import { describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import { modelFiles } from "../support/model-files.js";
import { type GraphParts, model, node, tensor, value } from "../support/onnx-builder.js";
import { agree, i64, X, x } from "./against-runtime.js";

const files = modelFiles();

describe("model-local functions", () => {
  const scale = {
    name: "Scale",
    domain: "local",
    inputs: ["a", "b"],
    outputs: ["r"],
    attributes: ["factor"],
    nodes: [
      node("Constant", [], ["k"], { value_int: { ref: "factor" } }),
      node("Cast", ["k"], ["f"], { to: { i: 1 } }),
      node("Mul", ["a", "f"], ["r1"]),
      node("Clip", ["r1", "b"], ["r"]),
    ],
  };

  it("are put in the place of their calls, with attributes and absent operands", async () => {
    const imported = await agree(
      files,
      model(
        {
          inputs: [x],
          outputs: [value("y", "f32")],
          initializers: [tensor("low", "f32", [], [-5])],
          nodes: [
            node("Scale", ["x", "low"], ["t"], { factor: { i: 3 } }, { domain: "local" }),
            node("Scale", ["t"], ["y"], { factor: { i: -2 } }, { domain: "local" }),
          ],
        },
        { domains: ["local"], functions: [scale] },
      ),
    );
    expect(imported.outputs).toEqual(["y"]);
  });

  it("have default attributes, which calls may override", () => {
    const bytes = model(
      {
        inputs: [x],
        outputs: [value("y", "f32")],
        nodes: [
          node("Scale", ["x"], ["t"], {}, { domain: "local" }),
          node("Scale", ["t"], ["y"], { factor: { i: 10 } }, { domain: "local" }),
        ],
      },
      { domains: ["local"], functions: [{ ...scale, attributes: [] }] },
    );
    // The schema has no field for defaults (attribute_proto, number 11): append it to the function, which
    // is the last field of the model (number 25).
    const attribute = onnxProto.onnx.AttributeProto.encode({ name: "factor", type: 2, i: 7 }).finish();
    const at = Buffer.from(bytes).lastIndexOf(Buffer.from("\n\x05Scale"));
    const f = [...bytes.subarray(at), 0x5a, attribute.length, ...attribute];
    const varint = [(f.length & 127) | 128, f.length >> 7];
    const imported = importOnnx(files.save(Uint8Array.from([...bytes.subarray(0, at - 2), ...varint, ...f])));
    const y = interpret(imported, new Map([["x", X]]), { reader: fileReader() }).get("y");
    expect(Array.from(y?.data ?? [], Number)).toEqual(Array.from(X.data, Number).map((v) => v * 70));
  });
});

describe("operators without a counterpart in ONNX Runtime's CPU provider", () => {
  const heads = { num_heads: { i: 2 } };
  const reader = fileReader();
  /** y from 24 numbers: x repeated and shifted, in a given shape. */
  const run = (
    dims: readonly number[],
    nodes: NonNullable<GraphParts["nodes"]>,
    more: GraphParts["initializers"] = [],
  ) => {
    const initializers = [...more, i64("shape", dims), i64("repeats", [4, 2])];
    const prepare = [
      node("Tile", ["x", "repeats"], ["tiled"]),
      node("CumSum", ["tiled", "axis"], ["sums"]),
      node("Sin", ["sums"], ["waves"]),
      node("Reshape", ["waves", "shape"], ["p"]),
    ];
    const bytes = model(
      {
        inputs: [x],
        outputs: [value("y", "f32")],
        initializers: [...initializers, i64("axis", [0], [])],
        nodes: [...prepare, ...nodes],
      },
      { domains: ["com.microsoft"] },
    );
    const imported = importOnnx(files.save(bytes));
    verifyGraph(imported);
    return interpret(imported, new Map([["x", X]]), { reader }).get("y");
  };
  const mha = (...operands: readonly string[]) =>
    node("MultiHeadAttention", operands, ["y"], heads, { domain: "com.microsoft" });

  it("MultiHeadAttention with packed operands equals the same unpacked", () => {
    const part = (packed: string, k: number) => [
      node("Gather", [packed, `i${k}`], [`g${k}`], { axis: { i: 3 } }),
      node("Reshape", [`g${k}`, "flat"], [`u${k}`]),
    ];
    const indices = [0, 1, 2].map((k) => i64(`i${k}`, [k], []));
    const more = [...indices, i64("flat", [0, 0, -1])];
    const packed = run([1, 4, 2, 3, 2], [mha("p")]);
    const apart = run(
      [1, 4, 2, 3, 2],
      [...[0, 1, 2].flatMap((k) => part("p", k)), mha("u0", "u1", "u2")],
      more,
    );
    expect(packed?.shape).toEqual([1, 4, 4]);
    expect(packed?.data).toEqual(apart?.data);
    const keyValue = run([1, 4, 2, 2, 3], [...[0, 1].flatMap((k) => part("p", k)), mha("u0", "p")], more);
    const three = run([1, 4, 2, 2, 3], [...[0, 1].flatMap((k) => part("p", k)), mha("u0", "u0", "u1")], more);
    expect(keyValue?.data).toEqual(three?.data);
  });
});

describe("graphs as exporters write them", () => {
  it("nodes may be out of order", async () => {
    const nodes = [node("Neg", ["b"], ["y"]), node("Abs", ["a"], ["b"]), node("Exp", ["x"], ["a"])];
    const reversed = importOnnx(files.save(model({ inputs: [x], outputs: [value("y")], nodes })));
    expect(reversed.nodes.map((n) => n.outputs[0])).toEqual(["a", "b", "y"]);
  });

  it("an output that passes an input on keeps its name", async () => {
    const imported = await agree(
      files,
      model({ inputs: [x], outputs: [value("y")], nodes: [node("Identity", ["x"], ["y"])] }),
    );
    expect(imported.outputs).toEqual(["y"]);
  });

  it("inputs that have initializers are constants", () => {
    const imported = importOnnx(
      files.save(
        model({
          inputs: [x, value("w", "f32", [3])],
          outputs: [value("y")],
          initializers: [tensor("w", "f32", [3], [1, 2, 3])],
          nodes: [node("Add", ["x", "w"], ["y"])],
        }),
      ),
    );
    expect(imported.inputs).toEqual(["x"]);
    expect(imported.constants.has("w")).toBe(true);
  });

  it("dimensions: numbers, names, and symbols of their own for neither", () => {
    const inputs = [value("x", "f32", [2, "batch size", null]), value("z", "i64", [null, "batch size"])];
    const imported = importOnnx(
      files.save(model({ inputs, outputs: [value("y")], nodes: [node("Neg", ["x"], ["y"])] })),
    );
    expect(imported.types.get("x")).toEqual({ dtype: "f32", shape: [2, "batch_size", "x_dim2"] });
    expect(imported.types.get("z")).toEqual({ dtype: "i64", shape: ["z_dim0", "batch_size"] });
    expect(imported.types.get("y")).toEqual({ dtype: "f32", shape: null });
  });

  it("names that JavaScript objects have are only names", async () => {
    const nodes = [node("Neg", ["x"], ["__proto__"]), node("Abs", ["__proto__"], ["constructor"])];
    await agree(
      files,
      model({ inputs: [x], outputs: [value("y")], nodes: [...nodes, node("Neg", ["constructor"], ["y"])] }),
    );
  });

  it("a deep chain does not exhaust the stack", () => {
    const count = 20000;
    const name = (k: number) => (k === 0 ? "x" : k === count ? "y" : `v${k}`);
    const nodes = Array.from({ length: count }, (_, k) => node("Neg", [name(k)], [name(k + 1)]));
    const imported = importOnnx(
      files.save(model({ inputs: [x], outputs: [value("y")], nodes: nodes.reverse() })),
    );
    expect(imported.nodes.length).toBe(count);
  });
});
