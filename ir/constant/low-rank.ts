import type { NumberData } from "./convert.js";

/** The factors of an update: `up` [rows, rank] and `down` [rank, width], row-major, and what their product is times. */
export interface LowRankUpdate {
  /** The rows from the first one that is asked for. */
  readonly up: NumberData;
  readonly down: NumberData;
  readonly rank: number;
  readonly scale: number;
}

/**
 * Elements `from` to `from + base.length` of W + scale·(up · down), of which `base` holds W's, into `out`; W has rows of
 * `width` elements. Each sum is taken in double precision, one factor after the other, and rounded once, so that a
 * value does not depend on the range it is read in.
 */
export function addLowRank(
  base: NumberData,
  from: number,
  width: number,
  { up, down, rank, scale }: LowRankUpdate,
  out: Float32Array | Float64Array,
): void {
  const firstRow = Math.floor(from / width);
  // Once, rather than for every row that reads them.
  const wide = Float64Array.from(down);
  const sums = [new Float64Array(width), new Float64Array(width)] as const;
  const rowsOfUp = (row: number) => up.subarray((row - firstRow) * rank, (row - firstRow + 1) * rank);
  const store = (sum: Float64Array, left: number, count: number, at: number) => {
    for (let i = 0; i < count; i++) out[at + i] = base[at + i]! + scale * sum[left + i]!;
  };
  for (let at = 0; at < base.length; ) {
    const row = Math.floor((from + at) / width);
    const left = from + at - row * width;
    const pair = left === 0 && base.length - at >= 2 * width;
    sums[0].fill(0);
    if (pair) {
      sums[1].fill(0);
      addRows(sums, rowsOfUp(row), rowsOfUp(row + 1), wide);
      store(sums[0], 0, width, at);
      store(sums[1], 0, width, at + width);
      at += 2 * width;
    } else {
      const count = Math.min(width - left, base.length - at);
      addRow(sums[0], rowsOfUp(row), wide, left, left + count);
      store(sums[0], left, count, at);
      at += count;
    }
  }
}

/** sum[i] += Σ factors[k]·down[k, i] for i in [start, end) */
function addRow(
  sum: Float64Array,
  factors: NumberData,
  down: Float64Array,
  start: number,
  end: number,
): void {
  const width = sum.length;
  for (let k = 0; k < factors.length; k++) {
    const a = factors[k]!;
    for (let i = start; i < end; i++) sum[i] = sum[i]! + a * down[k * width + i]!;
  }
}

/** `addRow` for two whole rows, four factors at a time: what is loaded is used eight times. */
function addRows(
  [first, second]: readonly [Float64Array, Float64Array],
  a: NumberData,
  b: NumberData,
  down: Float64Array,
): void {
  const width = first.length;
  const whole = a.length - (a.length % 4);
  for (let k = 0; k < whole; k += 4) {
    const [a0, a1, a2, a3] = [a[k]!, a[k + 1]!, a[k + 2]!, a[k + 3]!];
    const [b0, b1, b2, b3] = [b[k]!, b[k + 1]!, b[k + 2]!, b[k + 3]!];
    const rows = [0, 1, 2, 3].map((i) => down.subarray((k + i) * width, (k + i + 1) * width));
    const [d0, d1, d2, d3] = rows as [Float64Array, Float64Array, Float64Array, Float64Array];
    for (let i = 0; i < width; i++) {
      const x = d0[i]!;
      const y = d1[i]!;
      const z = d2[i]!;
      const t = d3[i]!;
      first[i] = first[i]! + a0 * x + a1 * y + a2 * z + a3 * t;
      second[i] = second[i]! + b0 * x + b1 * y + b2 * z + b3 * t;
    }
  }
  const rest = down.subarray(whole * width);
  if (rest.length === 0) return;
  addRow(first, a.subarray(whole), rest, 0, width);
  addRow(second, b.subarray(whole), rest, 0, width);
}
