/** Whole numbers below a limit. */
export type Dice = (limit: number) => number;

/** A generator for one case: the same seed gives the same numbers (mulberry32). */
export function dice(seed: number): Dice {
  let state = Math.imul(seed, 0x9e3779b9) >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}
