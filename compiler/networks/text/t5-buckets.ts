/** What decides how T5 groups distances of tokens. */
export interface T5Buckets {
  /** Of both directions together. */
  readonly count: number;
  /** From this distance on all tokens share the last bucket of their direction. */
  readonly maxDistance: number;
}

const { fround } = Math;

/**
 * The bucket of a key `distance` tokens behind its query (before it where negative): half of the buckets are for keys behind.
 * Of each half, the first half of buckets has one distance each; the others grow with its logarithm. Rounded to f32 step by
 * step, as the original computes it, so that no distance changes its bucket.
 */
export function t5Bucket(distance: number, { count, maxDistance }: T5Buckets): number {
  const half = Math.floor(count / 2);
  const exact = Math.floor(half / 2);
  const far = Math.abs(distance);
  const first = distance > 0 ? half : 0;
  if (far < exact) return first + far;
  const grown = fround(fround(Math.log(fround(far / exact))) / fround(Math.log(maxDistance / exact)));
  return first + Math.min(half - 1, exact + Math.trunc(fround(grown * (half - exact))));
}
