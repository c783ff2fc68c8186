import { type UnpackDenseParams, unpackDenseSignature } from "../../ir/families/unpack-dense.js";
import { DENSE_PANEL } from "../dense-gemm/wat.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, watArgs } from "../wat/define.js";

export function unpackDenseWat(params: UnpackDenseParams): KernelDefinition {
  const signature = unpackDenseSignature(params);
  return defineWat("unpack-dense", params, signature, {
    template: "unpack-dense/unpack.wat.hbs",
    values: {
      args: watArgs(signature),
      n: params.n,
      k: params.k,
      panel: DENSE_PANEL,
      source: params.source,
      elementBytes: params.source === "f32" ? 4 : 2,
    },
    tile: [DENSE_PANEL, 1, 1],
  });
}
