/** Every single-operator model of the importer's suite, imported and written back: the same numbers in ONNX Runtime. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { exportOnnx } from "../../compiler/onnx-export/index.js";
import { readModelSource } from "../../compiler/onnx-export/source.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { model, node, ONNX_TYPE, type OnnxTypeName, tensor, value } from "../support/onnx-builder.js";
import { OPERATOR_CASES, type OperatorCase } from "../support/operators/index.js";
import { runOnnx } from "../support/run-onnx.js";

const root = mkdtempSync(join(tmpdir(), "tritc-onnx-operators-"));
afterAll(() => rmSync(root, { recursive: true }));

function typeName(dtype: string): OnnxTypeName {
  for (const name of Object.keys(ONNX_TYPE) as OnnxTypeName[]) if (name === dtype) return name;
  throw new Error(`no ONNX type for ${dtype}`);
}

function build(c: OperatorCase): Uint8Array {
  const present = c.operands.flatMap((operand, k) => (operand === null ? [] : [{ operand, k }]));
  const isConstant = (k: number) => c.constant.includes(k);
  const outputs = Array.from({ length: c.outputs }, (_, k) => `out${k}`);
  return model(
    {
      inputs: present
        .filter(({ k }) => !isConstant(k))
        .map(({ operand, k }) => value(`in${k}`, typeName(operand.dtype), [...operand.shape])),
      initializers: present
        .filter(({ k }) => isConstant(k))
        .map(({ operand, k }) =>
          tensor(`in${k}`, typeName(operand.dtype), operand.shape, Array.from<number | bigint>(operand.data)),
        ),
      outputs: outputs.map((name) => ({ name })),
      nodes: [
        node(
          c.op,
          c.operands.map((operand, k) => (operand === null ? "" : `in${k}`)),
          outputs,
          c.attributes,
          { domain: c.domain },
        ),
      ],
    },
    { opset: c.opset, domains: c.domain === "" ? [] : [c.domain] },
  );
}

function inputsOf(c: OperatorCase): ReadonlyMap<string, Tensor> {
  return new Map(
    c.operands.flatMap((operand, k) =>
      operand === null || c.constant.includes(k) ? [] : [[`in${k}`, operand] as const],
    ),
  );
}

function worst(found: Tensor | undefined, wanted: Tensor): number {
  if (found === undefined || `${found.shape}` !== `${wanted.shape}`) return Number.NaN;
  let [distance, peak] = [0, 1e-30];
  for (let i = 0; i < wanted.data.length; i++) {
    const [a, b] = [Number(found.data[i]), Number(wanted.data[i])];
    if (Object.is(a, b) || a === b) continue;
    distance = Math.max(distance, Math.abs(a - b));
    peak = Math.max(peak, Math.abs(b));
  }
  return distance / peak;
}

async function check(c: OperatorCase): Promise<void> {
  const folder = mkdtempSync(join(root, "m-"));
  const file = join(folder, "source.onnx");
  writeFileSync(file, build(c));
  const source = await readModelSource(file, c.op, "none");
  try {
    const wanted = interpret(source.graph, inputsOf(c), { reader: source.reader });
    const out = join(folder, "out.onnx");
    await exportOnnx({ input: file, out, ternarize: "none" });
    // Nothing fused: each operator as it is.
    const found = await runOnnx(out, inputsOf(c), { graphOptimizationLevel: "disabled" });
    for (const [name, tensor] of wanted) expect(worst(found.get(name), tensor), name).toBeLessThan(2e-5);
    // The source's element types, also where recognition computes in a narrower one.
    for (const { name, dtype } of source.ports.outputs) expect(found.get(name)?.dtype, name).toBe(dtype);
  } finally {
    source.reader.close();
    rmSync(folder, { recursive: true });
  }
}

describe.each(Object.entries(OPERATOR_CASES))("%s", (_, cases) => {
  const ops = [...new Set(cases.map(({ op }) => op))];
  it.each(ops)("%s", async (op) => {
    for (const [i, c] of cases.entries()) {
      if (c.op !== op) continue;
      try {
        await check(c);
      } catch (error) {
        throw new Error(`case ${i}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
    }
  });
});
