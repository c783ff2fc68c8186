import type { KernelSignature } from "../../ir/families/contract/family.js";
import type { Activation } from "../../ir/ops/linears.js";
import type { TemplateValues } from "../template-values.js";
import { watArgs } from "./values.js";

const EPILOGUE_ARGS: ReadonlySet<string> = new Set(["bias", "gate", "residual", "out"]);

/** What `$exp`-based functions an activation takes, in the order of their files. */
const ACTIVATION_FILES: Readonly<Record<Activation, readonly string[]>> = {
  none: [],
  silu: ["wat/exp.wat", "wat/silu.wat"],
  "gelu-tanh": ["wat/exp.wat", "wat/gelu-tanh.wat"],
  "gelu-erf": ["wat/exp.wat", "wat/erf.wat", "wat/gelu-erf.wat"],
};

/** Values of the gemm templates: arguments of the product, and those of `wat/epilogue.wat.hbs`. */
export function gemmValues(
  signature: KernelSignature,
  params: {
    readonly n: number;
    readonly activation: Activation;
    readonly bias: boolean;
    readonly gated: boolean;
  },
): TemplateValues {
  return {
    n: params.n,
    activation: params.activation,
    bias: params.bias,
    gated: params.gated,
    functions: ACTIVATION_FILES[params.activation],
    args: watArgs(signature, (name) => !EPILOGUE_ARGS.has(name)),
    epilogueArgs: watArgs(signature, (name) => EPILOGUE_ARGS.has(name)),
  };
}
