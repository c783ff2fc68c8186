import {
  storedValues,
  type UnpackTritsParams,
  unpackTritsSignature,
} from "../../ir/families/unpack-trits.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { GROUP } from "../ternary-gemm/wgsl.js";
import { defineWgsl } from "../wgsl/define.js";
import { paddedColumns } from "../wgsl/gemm-tile.js";

/** Divides every padded column count, so that a grid over n columns reaches the padding too. */
const THREADS = 64;

export function unpackTritsWgsl(params: UnpackTritsParams, target: Target): KernelDefinition {
  const { n, k } = params;
  return defineWgsl(
    {
      family: "unpack-trits",
      params,
      signature: unpackTritsSignature(params),
      template: "unpack-trits/words.wgsl.hbs",
      values: {
        n,
        k,
        kGroups: Math.ceil(k / GROUP),
        nPad: paddedColumns(n),
        ...storedValues(params),
        threads: THREADS,
      },
      workgroup: [THREADS, 1, 1],
      tile: [THREADS, 1, 1],
      workgroupBytes: 0,
    },
    target,
  );
}
