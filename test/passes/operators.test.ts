import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { canonicalize } from "../../compiler/passes/canonicalize.js";
import { foldConstants } from "../../compiler/passes/fold-constants.js";
import { runPasses } from "../../compiler/passes/run-passes.js";
import { evaluateDim } from "../../ir/dim.js";
import { type Graph, typeOf, type ValueId } from "../../ir/graph/graph.js";
import { bindSymbols, interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { model, node, ONNX_TYPE, type OnnxTypeName, tensor, value } from "../support/onnx-builder.js";
import { OPERATOR_CASES, type OperatorCase } from "../support/operators/index.js";
import { difference, passContext } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-fold-operators-"));
const reader = fileReader();
afterAll(() => {
  reader.close();
  rmSync(folder, { recursive: true });
});

function typeName(operand: Tensor): OnnxTypeName {
  for (const name of Object.keys(ONNX_TYPE) as OnnxTypeName[]) if (name === operand.dtype) return name;
  throw new Error(`no test type for ${operand.dtype}`);
}

/** How the model tells the dimension of an axis of an input: as a number or a name. */
type DimOf = (operand: number, axis: number, size: number) => number | string;

/** The operator with the operands that `isConstant` picks as initializers and static shapes elsewhere. */
function build(c: OperatorCase, isConstant: (i: number) => boolean, dim: DimOf): Uint8Array {
  const present = c.operands.flatMap((operand, i) =>
    operand === null ? [] : [{ operand, i, name: `in${i}` }],
  );
  const outputs = Array.from({ length: c.outputs }, (_, i) => `out${i}`);
  const names = c.operands.map((operand, i) => (operand === null ? "" : `in${i}`));
  return model(
    {
      inputs: present
        .filter(({ i }) => !isConstant(i))
        .map(({ operand, name, i }) =>
          value(
            name,
            typeName(operand),
            operand.shape.map((d, axis) => dim(i, axis, d)),
          ),
        ),
      initializers: present
        .filter(({ i }) => isConstant(i))
        .map(({ operand, name }) =>
          tensor(name, typeName(operand), operand.shape, Array.from<number | bigint>(operand.data)),
        ),
      // Output types are inferred.
      outputs: outputs.map((name) => ({ name })),
      nodes: [node(c.op, names, outputs, c.attributes, { domain: c.domain })],
    },
    { opset: c.opset, domains: c.domain === "" ? [] : [c.domain] },
  );
}

function check(
  c: OperatorCase,
  isConstant: (i: number) => boolean,
  dim: DimOf = (_, __, d) => d,
): readonly string[] {
  const path = join(folder, "operator.onnx");
  writeFileSync(path, build(c, isConstant, dim));
  const before = importOnnx(path);
  const after = runPasses(before, [foldConstants, canonicalize], passContext({}, reader), {});
  const inputs = new Map<ValueId, Tensor>();
  for (const [i, operand] of c.operands.entries()) {
    if (operand !== null && before.inputs.includes(`in${i}`)) inputs.set(`in${i}`, operand);
  }
  expect(difference(before, after, inputs, reader)).toBeLessThan(2e-6);
  checkShapes(before, after, inputs);
  return after.nodes.map((n) => n.op);
}

/** Every inferred type is that of the value the interpreter computes. */
function checkShapes(before: Graph, after: Graph, inputs: ReadonlyMap<ValueId, Tensor>): void {
  const bindings = bindSymbols(before, inputs);
  const keep = after.nodes.flatMap((n) => n.outputs).filter((id) => id !== "");
  for (const [id, found] of interpret(after, inputs, { reader, bindings, keep })) {
    const { dtype, shape } = typeOf(after, id);
    expect([id, dtype]).toEqual([id, found.dtype]);
    if (shape !== null) expect([id, shape.map((d) => evaluateDim(d, bindings))]).toEqual([id, found.shape]);
  }
}

describe.each(Object.keys(OPERATOR_CASES))("operators of %s", (section) => {
  const cases = OPERATOR_CASES[section] ?? [];
  it.each(cases.map((c, i) => [c.op, i] as const))(
    "%s (%i) keeps its meaning whatever is constant",
    (_, i) => {
      const c = cases[i];
      if (c === undefined) throw new Error("no such case");
      const given = (k: number) => c.constant.includes(k);
      check(c, given);
      check(c, (k) => k > 0 || given(k));
      check(c, (k) => k === 0 || given(k));
      // An axis of size 1 broadcasts: it is not one that a symbol stands for.
      if (!c.fixed) check(c, given, (k, axis, d) => (d === 1 ? 1 : `d${k}_${axis}`));
      const left = check(c, () => true);
      // All operands constant: only the copies that name outputs may be left.
      expect(left.filter((op) => op !== "cast")).toEqual([]);
    },
  );
});
