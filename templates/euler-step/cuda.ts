import { type EulerStepParams, eulerStepSignature } from "../../ir/families/euler-step.js";
import type { Target } from "../../targets/target.js";
import { defineCudaRows, tileRowsOf } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";

const THREADS = 256;

export function eulerStepCuda(params: EulerStepParams, target: Target): KernelDefinition {
  const rows = tileRowsOf(params.c, THREADS);
  return defineCudaRows(
    {
      family: "euler-step",
      params,
      signature: eulerStepSignature(params),
      template: "euler-step/add.cu.hbs",
      values: { c: params.c, tileRows: rows },
      threads: THREADS,
      blocks: 4,
      rows,
    },
    target,
  );
}
