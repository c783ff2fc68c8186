/** What rows are multiplied as, and inputs that share a scale, as ternary-gemm has them. */
export interface TernaryRows {
  readonly activations: "i8" | "bf16" | "f16" | "f32";
  readonly group?: number | undefined;
}

/** Why a kernel does not multiply such rows; undefined where it does. */
export function multiplies(
  { activations }: TernaryRows,
  ...taken: readonly TernaryRows["activations"][]
): string | undefined {
  return taken.includes(activations)
    ? undefined
    : `rows are ${activations}, and it multiplies ${taken.join(" or ")}`;
}

/** As `multiplies`, for kernels that take one scale for each channel. */
export function multipliesRows(params: TernaryRows, ...taken: readonly TernaryRows["activations"][]) {
  const { group } = params;
  if (group === undefined) return multiplies(params, ...taken);
  return `scales are for groups of ${group} inputs, and it takes one for each channel`;
}

/** As `multiplies`, for kernels that take scales of groups. */
export function multipliesGroups(params: TernaryRows, ...taken: readonly TernaryRows["activations"][]) {
  if (params.group !== undefined) return multiplies(params, ...taken);
  return "channels have one scale each, and it takes one for each group of inputs";
}
