import type { NumberData } from "./convert.js";

/** The factors of an update: `up` [rows, rank] and `down` [rank, width], row-major, and what their product is times. */
export interface LowRankUpdate {
  /** The rows from `firstRow` on. */
  readonly up: NumberData;
  readonly down: NumberData;
  readonly rank: number;
  readonly scale: number;
}

/**
 * Elements `from` to `from + base.length` of W + scale·(up · down), of which `base` holds W's, into `out`; W has rows of
 * `width` elements. Sums are taken in double precision and rounded once, so that a value does not depend on the range
 * it is read in.
 */
export function addLowRank(
  base: NumberData,
  from: number,
  width: number,
  { up, down, rank, scale }: LowRankUpdate,
  out: Float32Array | Float64Array,
): void {
  const firstRow = Math.floor(from / width);
  const sums = new Float64Array(width);
  for (let at = 0; at < base.length; ) {
    const row = Math.floor((from + at) / width);
    const left = from + at - row * width;
    const count = Math.min(width - left, base.length - at);
    sums.fill(0, 0, count);
    const factors = (row - firstRow) * rank;
    let k = 0;
    // Four factors at a time: the sums are loaded and stored a quarter as often.
    for (; k + 4 <= rank; k += 4) {
      const [a, b, c, d] = [
        up[factors + k]!,
        up[factors + k + 1]!,
        up[factors + k + 2]!,
        up[factors + k + 3]!,
      ];
      const begin = k * width + left;
      for (let i = 0, j = begin; i < count; i++, j++) {
        sums[i] =
          sums[i]! +
          a * down[j]! +
          b * down[j + width]! +
          c * down[j + 2 * width]! +
          d * down[j + 3 * width]!;
      }
    }
    for (; k < rank; k++) {
      const a = up[factors + k]!;
      for (let i = 0, j = k * width + left; i < count; i++, j++) sums[i] = sums[i]! + a * down[j]!;
    }
    for (let i = 0; i < count; i++) out[at + i] = base[at + i]! + scale * sums[i]!;
    at += count;
  }
}
