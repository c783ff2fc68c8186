import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { paddedK } from "../signature.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";
import { type AdalnQuantizeParams, adalnQuantizeSignature } from "./params.js";

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
