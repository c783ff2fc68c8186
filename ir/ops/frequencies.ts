/** What decides the angles of a rope table. */
export interface RopeFrequencies {
  /** Channels of each axis, even; their sum is D. */
  readonly axesDims: readonly number[];
  /** Base of the closed formula; where frequencies are given, only the nominal base they come closest to. */
  readonly theta: number;
  /** One frequency per channel pair, axes side by side; null for the closed formula. */
  readonly frequencies: readonly number[] | null;
}

/** What decides the angles of a timestep embedding. */
export interface SinusoidFrequencies {
  /** Even. */
  readonly dim: number;
  /** Multiplies the time before the frequencies do. */
  readonly factor: number;
  /** Longest period of the closed formula; where frequencies are given, only nominal, as is `shift`. */
  readonly maxPeriod: number;
  readonly shift: number;
  /** dim/2 frequencies; null for the closed formula. */
  readonly frequencies: readonly number[] | null;
}

/** One channel pair of a rope table: angle = ids[axis]·frequency. */
export interface RopePair {
  readonly axis: number;
  readonly frequency: number;
}

/** The D/2 channel pairs: the given frequencies, or theta^(−2j/axisDim). Throws RangeError on another count. */
export function ropePairs({ axesDims, theta, frequencies }: RopeFrequencies): readonly RopePair[] {
  const pairs = axesDims.flatMap((dim, axis) =>
    Array.from({ length: dim / 2 }, (_, j) => ({ axis, frequency: power(theta, (-2 * j) / dim) })),
  );
  if (frequencies === null) return pairs;
  expectCount(frequencies, pairs.length, "channel pairs");
  return pairs.map(({ axis }, i) => ({ axis, frequency: frequencies[i] ?? Number.NaN }));
}

/** base^exponent to 15 digits: engines differ in the last bits of theirs, and bundles must not. */
function power(base: number, exponent: number): number {
  return Number((base ** exponent).toPrecision(15));
}

/** The dim/2 frequencies: those given, or exp(−ln(maxPeriod)·j/(dim/2 − shift)). Throws RangeError on another count. */
export function sinusoidFrequencies(options: SinusoidFrequencies): readonly number[] {
  const { maxPeriod, shift, frequencies } = options;
  const half = options.dim / 2;
  if (frequencies === null) {
    return Array.from({ length: half }, (_, j) => Math.exp((-Math.log(maxPeriod) * j) / (half - shift)));
  }
  expectCount(frequencies, half, "channel pairs");
  return frequencies;
}

function expectCount(frequencies: readonly number[], count: number, what: string): void {
  if (frequencies.length !== count) {
    throw new RangeError(`${frequencies.length} frequencies for ${count} ${what}`);
  }
}
