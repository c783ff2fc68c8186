/** The middle of a sorted list's values. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Half the distance of the quartiles over the median. */
export function spreadOf(values: readonly number[]): number {
  const middle = median(values);
  return middle === 0 ? 0 : (quantile(values, 0.75) - quantile(values, 0.25)) / (2 * middle);
}

/** Standard error of the median over the median, of values that are spread as a normal distribution's: 1.253·σ/√n, σ by the quartiles. */
export function uncertaintyOf(values: readonly number[]): number {
  return (1.253 / 0.6745) * (spreadOf(values) / Math.sqrt(values.length));
}

/** The value below which a share of them lies, between neighbours in proportion. */
function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return low + (high - low) * (at - Math.floor(at));
}
