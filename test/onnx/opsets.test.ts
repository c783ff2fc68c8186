/** One range of opsets: read at both ends and all between as ONNX Runtime reads them, refused beyond. */
import { describe, expect, it } from "vitest";
import { importOnnx } from "../../compiler/onnx/index.js";
import { NEWEST_OPSET, OLDEST_OPSET, OPSETS_READ } from "../../compiler/onnx/opsets.js";
import { modelFiles } from "../support/model-files.js";
import { model, node, tensor, value } from "../support/onnx-builder.js";
import { agree, x } from "./against-runtime.js";

const files = modelFiles();

/** Operators that every opset has, with numbers that no order of sums rounds. */
function simple(opset: number): Uint8Array {
  return model(
    {
      inputs: [x],
      outputs: [value("y", "f32")],
      initializers: [tensor("c", "f32", [], [0.5])],
      nodes: [
        node("Mul", ["x", "c"], ["t"]),
        node("Transpose", ["t"], ["tt"]),
        node("MatMul", ["t", "tt"], ["u"]),
        node("ReduceMax", ["u"], ["m"], { keepdims: { i: 1 } }),
        node("Sub", ["u", "m"], ["y"]),
      ],
    },
    { opset },
  );
}

describe("the opsets that are read", () => {
  const opsets = Array.from({ length: NEWEST_OPSET - OLDEST_OPSET + 1 }, (_, i) => OLDEST_OPSET + i);

  it.each(opsets)("opset %d", async (opset) => {
    const { outputs } = await agree(files, simple(opset));
    expect(outputs).toEqual(["y"]);
  });

  it.each([OLDEST_OPSET - 1, NEWEST_OPSET + 1])("opset %d is refused with the range", (opset) => {
    const path = files.save(simple(opset));
    expect(() => importOnnx(path)).toThrow(
      new RegExp(`\\n {2}expected: ${OPSETS_READ}\\n {2}found: {4}opset ${opset}\\n {2}try:.*${OPSETS_READ}`),
    );
  });
});
