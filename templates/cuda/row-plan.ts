import type { KernelSignature } from "../../ir/families/contract/family.js";
import type { RowPlan } from "../../ir/families/cuda-rows.js";
import type { Target } from "../../targets/target.js";
import type { Family } from "../families.js";
import type { KernelDefinition, TemplateValues } from "../family.js";
import { defineCuda } from "./define.js";

export {
  modulationPlan,
  normalizationPlan,
  quantizationPlan,
  tileRowsOf,
} from "../../ir/families/cuda-rows.js";

export interface CudaRowKernel {
  readonly family: Family;
  readonly params: object;
  readonly signature: KernelSignature;
  readonly template: string;
  /** The template also gets `blocks`. */
  readonly values: TemplateValues;
  readonly threads: number;
  /** Blocks that a multiprocessor has registers for. */
  readonly blocks: number;
  /** Rows that a block works on at a time. */
  readonly rows: number;
}

/** A kernel for any architecture whose blocks loop over the launch's rows. */
export function defineCudaRows(kernel: CudaRowKernel, target: Target): KernelDefinition {
  const { family, params, signature, template, threads, blocks, rows } = kernel;
  const values = { ...kernel.values, blocks };
  return defineCuda(family, params, signature, target, [
    { requires: "sm_70", template, values, threads, tile: [1, rows, 1], persistent: true },
  ]);
}

/** A kernel whose rows are shared as a plan says; the template also gets `group` and `held`. */
export function definePlannedRows(
  kernel: Omit<CudaRowKernel, "threads" | "blocks" | "rows">,
  plan: RowPlan,
  target: Target,
): KernelDefinition {
  const { group, held, threads, blocks } = plan;
  const values = { ...kernel.values, group, held };
  return defineCudaRows({ ...kernel, values, threads, blocks, rows: threads / group }, target);
}
