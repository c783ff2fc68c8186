import { type AdalnQuantizeParams, adalnQuantizeSignature } from "../../ir/families/adaln-quantize.js";
import { paddedK } from "../../ir/families/contract/arguments.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

export function adalnQuantizeWgsl(params: AdalnQuantizeParams, target: Target): KernelDefinition {
  return defineRowKernel(
    {
      family: "adaln-quantize",
      params,
      signature: adalnQuantizeSignature(params),
      template: "adaln-quantize/row.wgsl.hbs",
      values: { c: params.c, epsilon: params.epsilon, words: paddedK(params.c) / 4 },
    },
    target,
  );
}
