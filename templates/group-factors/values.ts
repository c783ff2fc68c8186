import type { GroupFactorsParams } from "../../ir/families/group-factors.js";
import type { TemplateValues } from "../template-values.js";

/** What the kernels of GPUs are rendered with. */
export function groupFactorValues(
  { groups, channels, parts, epsilon }: GroupFactorsParams,
  { threads }: { readonly threads: number },
): TemplateValues {
  return { c: groups * channels, channels, parts, epsilon, threads };
}
