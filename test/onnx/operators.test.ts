import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import type { DType } from "../../ir/dtype.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { model, node, type OnnxTypeName, tensor, value } from "../support/onnx-builder.js";
import { OPERATOR_CASES, type OperatorCase } from "../support/operators/index.js";

const directory = mkdtempSync(join(tmpdir(), "tritc-operators-"));
afterAll(() => rmSync(directory, { recursive: true }));

const ORT_TYPES = {
  f32: "float32",
  f64: "float64",
  i64: "int64",
  i32: "int32",
  i8: "int8",
  u8: "uint8",
  bool: "bool",
} as const;
type Testable = keyof typeof ORT_TYPES & OnnxTypeName;

function testable(dtype: DType): Testable {
  for (const name of Object.keys(ORT_TYPES) as Testable[]) if (name === dtype) return name;
  throw new Error(`no test type for ${dtype}`);
}

function numbers(data: Iterable<unknown>): number[] {
  return Array.from(data, Number);
}

function build(c: OperatorCase): Uint8Array {
  const names = c.operands.map((operand, k) => (operand === null ? "" : `in${k}`));
  const outputs = Array.from({ length: c.outputs }, (_, k) => `out${k}`);
  const present = c.operands.flatMap((operand, k) => (operand === null ? [] : [{ operand, k }]));
  const isConstant = (k: number) => c.constant.includes(k);
  return model(
    {
      inputs: present
        .filter(({ k }) => !isConstant(k))
        // Only the rank is told, so that nothing can lean on static shapes.
        .map(({ operand, k }) =>
          value(
            `in${k}`,
            testable(operand.dtype),
            operand.shape.map((d, axis) => (c.fixed ? d : `d${k}_${axis}`)),
          ),
        ),
      initializers: present
        .filter(({ k }) => isConstant(k))
        .map(({ operand, k }) =>
          tensor(`in${k}`, testable(operand.dtype), operand.shape, Array.from<number | bigint>(operand.data)),
        ),
      // Output types are ONNX Runtime's to infer.
      outputs: outputs.map((name) => ({ name })),
      nodes: [node(c.op, names, outputs, c.attributes, { domain: c.domain })],
    },
    { opset: c.opset, domains: c.domain === "" ? [] : [c.domain] },
  );
}

async function runOrt(bytes: Uint8Array, c: OperatorCase): Promise<InferenceSession.OnnxValueMapType> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 });
  const feeds: Record<string, OrtTensor> = {};
  c.operands.forEach((operand, k) => {
    if (operand === null || c.constant.includes(k)) return;
    const type = testable(operand.dtype);
    feeds[`in${k}`] = new OrtTensor(ORT_TYPES[type], operand.data.slice(), [...operand.shape]);
  });
  const results = await session.run(feeds);
  await session.release();
  return results;
}

function compare(ours: Tensor | undefined, theirs: OrtTensor, label: string): void {
  expect(ours, label).toBeDefined();
  if (ours === undefined) return;
  expect(ORT_TYPES[testable(ours.dtype)], label).toBe(theirs.type);
  expect(ours.shape, label).toEqual([...theirs.dims]);
  const found = numbers(ours.data);
  const expected = numbers(theirs.data as Iterable<unknown>);
  expect(found.length, label).toBe(expected.length);
  found.forEach((v, i) => {
    const e = expected[i] ?? Number.NaN;
    if (Number.isNaN(e) || !Number.isFinite(e)) expect(v, `${label}[${i}]`).toBe(e);
    else
      expect(Math.abs(v - e), `${label}[${i}]: ${v} for ${e}`).toBeLessThanOrEqual(
        2e-5 * Math.max(1, Math.abs(e)),
      );
  });
}

describe.each(Object.entries(OPERATOR_CASES))("%s", (_, cases) => {
  it.each(cases.map((c, k) => ({ c, label: `${k} ${c.op} (opset ${c.opset})` })))(
    "$label",
    async ({ c, label }) => {
      const bytes = build(c);
      const file = join(directory, `${c.op}.onnx`);
      writeFileSync(file, bytes);
      const graph = importOnnx(file);
      verifyGraph(graph);
      const inputs = new Map<string, Tensor>();
      c.operands.forEach((operand, k) => {
        if (operand !== null && !c.constant.includes(k)) inputs.set(`in${k}`, operand);
      });
      const reader = fileReader();
      const ours = interpret(graph, inputs, { reader });
      reader.close();
      const theirs = await runOrt(bytes, c);
      for (const [name, result] of Object.entries(theirs))
        compare(ours.get(name), result as OrtTensor, `${label} ${name}`);
    },
  );
});
