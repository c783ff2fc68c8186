/** The least-squares ternary fit of a row: entries with |w| ≥ threshold become ±scale, all others 0. */
export interface TernaryFit {
  /** The threshold's f32 bit pattern: magnitudes compare like their bits. */
  readonly thresholdBits: number;
  readonly scale: number;
}

/** Buckets hold magnitudes that share the exponent and the four leading fraction bits. */
const BUCKET_SHIFT = 19;
const BUCKETS = 1 << (31 - BUCKET_SHIFT);
/** More than what rounding a sum of 2^24 terms in f64 can change its square by. */
const ROUNDING = 1 + 2 ** -24;

const counts = new Int32Array(BUCKETS);
const sums = new Float64Array(BUCKETS);
const bound = new Float32Array(1);
const boundBits = new Int32Array(bound.buffer);
let near = new Int32Array(0);

/**
 * With a = |w| descending and S_k = Σ_{i≤k} a_i: the k that maximizes S_k²/k (the first of several, and equal
 * magnitudes stand or fall together), threshold a_k and scale S_k/k. `row` is finite and not all zero, at most
 * 2^24 entries.
 *
 * A histogram finds the few magnitudes where the maximum can lie, and only those are sorted. The result is that
 * of sorting the whole row, bit for bit, because the order of summation does not matter: at the maximum, and
 * wherever S_k²/k is within rounding of it, a_k ≥ 0.43·S_k/k. So all summands are multiples of a quantum
 * q ≥ 2^-24·a_k and S_k ≤ k·a_k/0.43 < 2^53·q: every partial sum is exact in f64.
 */
export function exactFit(row: Float32Array): TernaryFit {
  const bits = new Int32Array(row.buffer, row.byteOffset, row.length);
  const top = fillHistogram(bits, row);
  const range = bucketsOfMaximum(top, row.length);
  counts.fill(0, 0, top + 1);
  sums.fill(0, 0, top + 1);
  return maximumWithin(gather(bits, range), range);
}

/** Counts and sums magnitudes by bucket; returns a bucket that none is above. */
function fillHistogram(bits: Int32Array, row: Float32Array): number {
  let seen = 0;
  for (let i = 0; i < bits.length; i++) {
    const magnitude = bits[i]! & 0x7fffffff;
    const bucket = magnitude >> BUCKET_SHIFT;
    counts[bucket]!++;
    sums[bucket]! += Math.abs(row[i]!);
    seen |= magnitude;
  }
  return seen >> BUCKET_SHIFT;
}

interface BucketRange {
  readonly highest: number;
  readonly lowest: number;
  /** Entries above the range, and the sum of their magnitudes. */
  readonly count: number;
  readonly sum: number;
}

/** The buckets, from `top` down, that can hold a_k for the best k. */
function bucketsOfMaximum(top: number, length: number): BucketRange {
  // S_k²/k at the lower edges of buckets bounds the maximum from below.
  let best = 0;
  let count = 0;
  let sum = 0;
  let end = top + 1;
  while (end > 0 && count < length && !isBeyond(count, sum, length, end, best)) {
    end--;
    count += counts[end]!;
    sum += sums[end]!;
    if (count > 0) best = Math.max(best, (sum * sum) / count);
  }
  let range: BucketRange | undefined;
  count = 0;
  sum = 0;
  for (let bucket = top; bucket >= end; bucket--) {
    const n = counts[bucket]!;
    if (n === 0) continue;
    if (largestGain(count, sum, n, bucket + 1) * ROUNDING >= best) {
      range = { highest: bucket, count, sum, ...range, lowest: bucket };
    }
    count += n;
    sum += sums[bucket]!;
  }
  return range ?? { highest: top, lowest: 0, count: 0, sum: 0 };
}

/** Whether no bucket below `end` can hold the maximum, given the largest entries' count and sum. */
function isBeyond(count: number, sum: number, length: number, end: number, best: number): boolean {
  return count > 0 && largestGain(count, sum, length - count, end) * ROUNDING < best;
}

/**
 * The most that S_k²/k can be when 1 to `n` entries below the bucket `end` are added to `count` entries: each adds
 * less than h = the lower edge of `end`, and (S + jh)²/(k + j) is convex in j, so it is largest at an end.
 */
function largestGain(count: number, sum: number, n: number, end: number): number {
  boundBits[0] = end << BUCKET_SHIFT;
  const high = bound[0]!;
  const one = sum + high;
  const all = sum + n * high;
  return Math.max((one * one) / (count + 1), (all * all) / (count + n));
}

/** Bit patterns of the magnitudes in a range of buckets, ascending. */
function gather(bits: Int32Array, { highest, lowest }: BucketRange): Int32Array {
  if (near.length < bits.length) near = new Int32Array(bits.length);
  const first = lowest << BUCKET_SHIFT;
  const last = ((highest << BUCKET_SHIFT) | ((1 << BUCKET_SHIFT) - 1)) >>> 0;
  let count = 0;
  for (let i = 0; i < bits.length; i++) {
    const magnitude = bits[i]! & 0x7fffffff;
    near[count] = magnitude;
    // 1 inside of the range: both differences are nonnegative there.
    count += 1 + (((magnitude - first) | (last - magnitude)) >> 31);
  }
  return near.subarray(0, count).sort();
}

/** The first maximum of S_k²/k with a_k among `magnitudes`, which is also scanned in descending order. */
function maximumWithin(magnitudes: Int32Array, above: BucketRange): TernaryFit {
  const values = new Float32Array(magnitudes.buffer, magnitudes.byteOffset, magnitudes.length);
  let { count, sum } = above;
  let best = -1;
  let thresholdBits = 0;
  let scale = 0;
  for (let i = magnitudes.length - 1; i >= 0; i--) {
    sum += values[i]!;
    count++;
    // Equal magnitudes stand or fall together: a threshold cannot cut between them.
    if (i > 0 && magnitudes[i - 1] === magnitudes[i]) continue;
    const gain = (sum * sum) / count;
    if (gain > best) {
      best = gain;
      thresholdBits = magnitudes[i]!;
      scale = sum / count;
    }
  }
  return { thresholdBits, scale };
}
