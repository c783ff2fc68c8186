/** Reproducible uniform numbers in [0, 1): mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal numbers (Box and Muller). */
export function normals(seed: number): () => number {
  const next = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** `count` numbers, roughly normal (sum of uniforms), never all zero. */
export function randomFloats(seed: number, count: number, scale = 1): Float32Array<ArrayBuffer> {
  const next = uniform(seed);
  return Float32Array.from({ length: count }, () => (next() + next() + next() + next() - 2) * 1.7 * scale);
}

/** Whole numbers in [low, high]. */
export function randomInts(seed: number, count: number, low: number, high: number): Int32Array<ArrayBuffer> {
  const next = uniform(seed);
  return Int32Array.from({ length: count }, () => low + Math.floor(next() * (high - low + 1)));
}
