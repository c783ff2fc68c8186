/** A size is a product of parts: throws a RangeError where the whole is no multiple. */
export function exactly(whole: number, part: number, what: string): number {
  if (whole % part !== 0) throw new RangeError(`${what}: ${whole} is not a multiple of ${part}`);
  return whole / part;
}
