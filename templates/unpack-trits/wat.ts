import { paddedK } from "../../ir/families/contract/arguments.js";
import {
  storedValues,
  type UnpackTritsParams,
  unpackTritsSignature,
} from "../../ir/families/unpack-trits.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, watArgs } from "../wat/define.js";

export function unpackTritsWat(params: UnpackTritsParams): KernelDefinition {
  const signature = unpackTritsSignature(params);
  const int8 = params.activations === "i8";
  const block = int8 ? 8 : 4;
  return defineWat("unpack-trits", params, signature, {
    template: "unpack-trits/unpack.wat.hbs",
    values: {
      args: watArgs(signature),
      n: params.n,
      k: params.k,
      ...storedValues(params),
      block,
      blockBytes: (block * paddedK(params.k)) / 4,
      int8,
    },
    tile: [block, 1, 1],
  });
}
