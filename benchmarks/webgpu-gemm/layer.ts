/** A linear layer of made-up ternary weights and rows. */
export interface Layer {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly x: Float32Array<ArrayBuffer>;
  /** [n, k], of one scale for all. */
  readonly codes: Int8Array;
  readonly scale: number;
}

/** One way to compute it, ready to run. */
export interface Contender {
  readonly name: string;
  /** Ends when the product is there. */
  run(): Promise<void>;
  /** The product [m, n] of the last run. */
  result(): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}

export function makeLayer({ m, k, n }: Pick<Layer, "m" | "k" | "n">): Layer {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const codes = Int8Array.from({ length: n * k }, () => Math.floor(next() * 3) - 1);
  return { m, k, n, x: Float32Array.from({ length: m * k }, () => next() - 0.5), codes, scale: 0.0625 };
}

/** The weights as floats, [n, k]. */
export function floatsOf({ codes, scale }: Layer): Float32Array<ArrayBuffer> {
  return Float32Array.from(codes, (t) => t * scale);
}

/** The largest error relative to the largest result, against double precision on a sample of outputs. */
export function errorOf({ x, codes, scale, m, k, n }: Layer, y: ArrayLike<number>): number {
  let worst = 0;
  let largest = 0;
  for (let s = 0; s < 200; s++) {
    const [r, o] = [(s * 7919) % m, (s * 104729) % n];
    let sum = 0;
    for (let i = 0; i < k; i++) sum += (x[r * k + i] ?? 0) * (codes[o * k + i] ?? 0) * scale;
    worst = Math.max(worst, Math.abs(sum - (y[r * n + o] ?? Number.NaN)));
    largest = Math.max(largest, Math.abs(sum));
  }
  return worst / largest;
}
