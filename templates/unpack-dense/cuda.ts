import { type UnpackDenseParams, unpackDenseSignature } from "../../ir/families/unpack-dense.js";
import type { Target } from "../../targets/target.js";
import { defineCuda } from "../cuda/define.js";
import { DENSE_PANEL } from "../dense-gemm/cuda.js";
import type { KernelDefinition } from "../family.js";

const THREADS = 256;
/** Columns of a block: 64 bytes of a row of a panel. */
const COLUMNS = 16;

export function unpackDenseCuda(params: UnpackDenseParams, target: Target): KernelDefinition {
  const { n, k, source } = params;
  return defineCuda("unpack-dense", params, unpackDenseSignature(params), target, [
    {
      requires: "sm_70",
      template: "unpack-dense/panels.cu.hbs",
      values: {
        columns: COLUMNS,
        panel: DENSE_PANEL,
        n,
        k,
        bytes: source === "f32" ? 4 : 2,
        brain: source === "bf16",
      },
      threads: THREADS,
      tile: [COLUMNS, 1, 1],
    },
  ]);
}
