/**
 * Every single-operator model of the importer's suite through the generic kernels of the cpu target, against the
 * interpreter. Operators without kernels must be refused by name, never computed wrongly.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileGraph, portTypesOf } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { UNLIMITED } from "../../compiler/pass.js";
import { FRONT_PASSES } from "../../compiler/passes/index.js";
import { runPasses } from "../../compiler/passes/run-passes.js";
import { TritcError } from "../../ir/errors.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { model, node, ONNX_TYPE, type OnnxTypeName, tensor, value } from "../support/onnx-builder.js";
import { OPERATOR_CASES, type OperatorCase } from "../support/operators/index.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-kernels-"));
const reader = fileReader();
let device: Device;
beforeAll(async () => {
  device = await createNodeCpuDevice({ threads: 1 });
});
afterAll(async () => {
  await device.close();
  reader.close();
  rmSync(folder, { recursive: true });
});

function typeName(dtype: string): OnnxTypeName {
  for (const name of Object.keys(ONNX_TYPE) as OnnxTypeName[]) if (name === dtype) return name;
  throw new Error(`no ONNX type for ${dtype}`);
}

function build(c: OperatorCase): Uint8Array {
  const present = c.operands.flatMap((operand, k) => (operand === null ? [] : [{ operand, k }]));
  const isConstant = (k: number) => c.constant.includes(k);
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
      // Output types are inferred.
      outputs: Array.from({ length: c.outputs }, (_, k) => ({ name: `out${k}` })),
      nodes: [
        node(
          c.op,
          c.operands.map((operand, k) => (operand === null ? "" : `in${k}`)),
          Array.from({ length: c.outputs }, (_, k) => `out${k}`),
          c.attributes,
          { domain: c.domain },
        ),
      ],
    },
    { opset: c.opset, domains: c.domain === "" ? [] : [c.domain] },
  );
}

/** Operands that the graph takes as inputs. */
function inputsOf(c: OperatorCase): ReadonlyMap<string, Tensor> {
  return new Map(
    c.operands.flatMap((operand, k) =>
      operand === null || c.constant.includes(k) ? [] : [[`in${k}`, operand] as const],
    ),
  );
}

/** Operators of the suite that no kernel family computes, in whole or for some of their cases. */
const REFUSED = new Map<string, number>();

describe.each(Object.entries(OPERATOR_CASES))("%s", (_, cases) => {
  it.each(cases.map((c, k) => ({ c, label: `${k} ${c.op}` })))("$label", async ({ c }) => {
    const file = join(folder, `${c.op}.onnx`);
    writeFileSync(file, build(c));
    const imported = importOnnx(file);
    const inputs = inputsOf(c);
    const options = { ternarize: "none", activations: "f32", bindings: {}, sizes: {} } as const;
    try {
      const graph = runPasses(imported, FRONT_PASSES, { reader, options: { ...options, limits: UNLIMITED } });
      const stages = {
        target: cpu,
        options,
        sizes: {},
        batchAxes: new Map<string, null>(),
        dtypes: portTypesOf(imported),
      };
      const compiled = await compileGraph(graph, reader, stages);
      const found = await runCompiled(compiled, reader, device, inputs);
      const wanted = interpret(imported, inputs, { reader });
      for (const [name, tensor] of wanted) {
        expect([found.get(name)?.dtype, found.get(name)?.shape], name).toEqual([tensor.dtype, tensor.shape]);
        expect(relativeError(found.get(name), tensor), name).toBeLessThan(1e-5);
      }
    } catch (error) {
      if (!(error instanceof TritcError) || error.code !== "TRITC_E_UNSUPPORTED_OP") throw error;
      REFUSED.set(c.op, (REFUSED.get(c.op) ?? 0) + 1);
    }
  });
});

/** Operators that are not computed for any case: no family has them, or a shape is known at run time only. */
const WITHOUT_KERNELS = new Set(
  (
    "ArgMax ArgMin AveragePool BatchNormalization Compress ConstantOfShape Conv ConvTranspose CumSum " +
    "DepthToSpace Expand EyeLike GatherElements GatherND GlobalAveragePool GlobalMaxPool GroupNormalization " +
    "Hardmax InstanceNormalization LpNormalization MatMulInteger MaxPool NonZero OneHot Range ReduceLogSum " +
    "Reshape Resize ScatterElements ScatterND SpaceToDepth Tile TopK Trilu Upsample"
  ).split(" "),
);

it("computes every other operator", () => {
  const refused = [...REFUSED].filter(([op, count]) => count === casesOf(op)).map(([op]) => op);
  expect(refused.filter((op) => !WITHOUT_KERNELS.has(op))).toEqual([]);
});

function casesOf(op: string): number {
  return Object.values(OPERATOR_CASES)
    .flat()
    .filter((c) => c.op === op).length;
}
