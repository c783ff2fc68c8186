import type { Data } from "./launch.js";

export interface Tolerance {
  readonly absolute?: number;
  readonly relative?: number;
}

/** Throws with coordinates and both values where |actual − expected| > absolute + relative·|expected|. */
export function expectClose(
  actual: Data | undefined,
  expected: ArrayLike<number>,
  columns: number,
  tolerance: Tolerance = {},
): void {
  const { absolute = 0, relative = 0 } = tolerance;
  if (actual?.length !== expected.length)
    throw new Error(`${actual?.length} values, expected ${expected.length}`);
  let worst = -1;
  let excess = 0;
  for (let i = 0; i < expected.length; i++) {
    const e = expected[i]!;
    const a = actual[i]!;
    if (Object.is(a, e) || a === e) continue;
    const over = Math.abs(a - e) - absolute - relative * Math.abs(e);
    if (Number.isNaN(over) || over > excess) {
      worst = i;
      excess = Number.isNaN(over) ? Number.POSITIVE_INFINITY : over;
    }
  }
  if (worst < 0) return;
  const place = `[${Math.floor(worst / columns)}, ${worst % columns}]`;
  throw new Error(`at ${place}: ${actual[worst]}, expected ${expected[worst]}`);
}
