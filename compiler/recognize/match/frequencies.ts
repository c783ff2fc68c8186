import type { OpAttrs } from "../../../ir/ops/index.js";

/**
 * Largest relative deviation at which the closed formula stands for the frequencies of the graph: what exports
 * compute in f32 (the argument of an exponential, up to 9.2, rounded to f32) deviates by up to 1e-6. Farther
 * frequencies (rounded to half precision, scaled for longer sequences) are kept as they are.
 */
const TOLERANCE = 2e-6;

/** Rounding a frequency to half precision changes it by 2^-11 at most, and a parameter by at most twice that. */
const HALF_ROUNDING = 2 ** -10;

/** A parameter that is within rounding of a whole number is that number. */
function whole(value: number): number {
  const rounded = Math.round(value);
  return rounded !== 0 && Math.abs(value / rounded - 1) < 5e-6 ? rounded : value;
}

/** The short decimal that a parameter fitted to half-precision frequencies is within rounding of, if it is. */
function nominal(value: number): number {
  const short = Number(value.toPrecision(2));
  return Math.abs(value / short - 1) < HALF_ROUNDING ? short : whole(value);
}

const isRound = (value: number): boolean => value === Number(value.toPrecision(3));

const close = (a: number, b: number): boolean => Math.abs(a - b) <= TOLERANCE * Math.abs(b);

/** Angles are products of positive finite frequencies; signs were taken out of sines and cosines before. */
const isFrequency = (value: number): boolean => value > 0 && value < Number.POSITIVE_INFINITY;

/**
 * Finds axis sizes, axes 0, 1, … side by side, and θ with frequency_j = θ^(−2j/axisDim), j counting within an
 * axis. Where no θ gives the frequencies they are listed, and θ, which then only describes the model, is that of
 * the lowest one. undefined if the axes are in another order or a frequency is none.
 */
export function fitRopeTable(
  entries: readonly { readonly axis: number; readonly frequency: number }[],
  axes: number,
): OpAttrs["rope-table"] | undefined {
  const runs: number[][] = [];
  for (const { axis, frequency } of entries) {
    if (axis === runs.length) runs.push([]);
    if (axis !== runs.length - 1 || !isFrequency(frequency)) return undefined;
    runs.at(-1)?.push(frequency);
  }
  if (runs.length === 0 || runs.length !== axes) return undefined;
  const longest = runs.reduce((a, b) => (b.length > a.length ? b : a), []);
  const last = longest.length - 1;
  // The lowest frequency determines θ best; an axis of one pair does not depend on θ.
  const fitted = last < 1 ? 10000 : (longest[last] ?? 1) ** (-longest.length / last);
  if (!isFrequency(fitted)) return undefined;
  const axesDims = runs.map((run) => 2 * run.length);
  const theta = whole(fitted);
  if (runs.every((run) => run.every((f, j) => close(f, theta ** (-j / run.length))))) {
    return { axesDims, theta, frequencies: null };
  }
  return { axesDims, theta: nominal(fitted), frequencies: runs.flat() };
}

/**
 * Finds factor, maxPeriod and shift with frequency_j = factor·exp(−ln(maxPeriod)·j/(half − shift)) in two
 * halves, one of cosines, one of sines. Where nothing gives the frequencies, factor·frequencies are listed, and
 * maxPeriod is that of the lowest one. undefined if the halves differ or a frequency is none.
 */
export function fitSinusoid(
  entries: readonly { readonly sin: boolean; readonly frequency: number }[],
): OpAttrs["timestep-embedding"] | undefined {
  const half = entries.length / 2;
  const sinFirst = entries[0]?.sin ?? false;
  if (!Number.isInteger(half) || half < 2) return undefined;
  const found = entries.slice(0, half).map((e) => e.frequency);
  const halves = entries.every(
    (e, i) => (e.sin === i < half) === sinFirst && e.frequency === found[i % half],
  );
  if (!halves || !found.every(isFrequency)) return undefined;
  const first = found[0] ?? 1;
  const slope = Math.log((found[half - 1] ?? 1) / first) / (half - 1);
  const factor = whole(first);
  // The pair (maxPeriod, shift) is not unique; a round period is the one meant.
  const chosen = (round: (v: number) => number) => {
    const periods = [0, 1].map((shift) => ({ shift, maxPeriod: round(Math.exp(-slope * (half - shift))) }));
    return periods.find((p) => isRound(p.maxPeriod)) ?? periods[0];
  };
  const [closed, rounded] = [chosen(whole), chosen(nominal)];
  if (closed === undefined || rounded === undefined || !isFrequency(closed.maxPeriod)) return undefined;
  const { shift, maxPeriod } = closed;
  const formula = (j: number) => factor * Math.exp((-Math.log(maxPeriod) * j) / (half - shift));
  const dim = entries.length;
  if (found.every((f, j) => close(f, formula(j)))) {
    return { dim, factor, maxPeriod, shift, sinFirst, frequencies: null };
  }
  const frequencies = found.map((f) => f / factor);
  return { dim, factor, maxPeriod: rounded.maxPeriod, shift: rounded.shift, sinFirst, frequencies };
}
