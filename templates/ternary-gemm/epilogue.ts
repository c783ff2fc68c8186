import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import { cudaType } from "../cuda/header.js";
import type { TemplateValues } from "../template-values.js";

/** What `ternary-gemm/epilogue.cu.hbs` and `ternary-gemm/epilogue-hopper.cu.hbs` use. */
export function epilogueValues(params: TernaryGemmParams): TemplateValues {
  const { heads } = params;
  return {
    n: params.n,
    integer: params.activations === "i8",
    bias: params.bias,
    gated: params.gated,
    heads: heads !== undefined,
    headDim: heads?.headDim ?? 0,
    headColumns: heads?.columns ?? 0,
    epsilon: (heads?.epsilon ?? 0).toExponential(),
    activate: `activate_${params.activation.replaceAll("-", "_")}`,
    outType: cudaType(params.out ?? "f32"),
  };
}
