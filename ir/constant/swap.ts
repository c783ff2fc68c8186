import type { NumberData } from "./convert.js";

type Elements = NumberData | BigInt64Array | BigUint64Array;

/**
 * Elements `from` to `to` of [a, c, b, d], into `out`, from an [a, b, c, d] in row-major order. `read` gives elements of
 * the source, all of an index of `a` at a time.
 */
export function swapElements<T extends Elements>(
  [, b = 1, c = 1, d = 1]: readonly number[],
  from: number,
  to: number,
  read: (from: number, to: number) => T,
  out: T,
): T {
  const size = b * c * d;
  if (from === to || size === 0) return out;
  const first = Math.floor(from / size) * size;
  const source = read(first, Math.ceil(to / size) * size);
  // Runs of d elements stay together.
  for (let at = from; at < to; ) {
    const run = Math.floor(at / d);
    const block = run - (run % (b * c));
    const [j, i] = [Math.floor((run - block) / b), run % b];
    const start = (block + i * c + j) * d - first;
    const [begin, end] = [at - run * d, Math.min(d, to - run * d)];
    for (let k = begin; k < end; k++) out[at - from + k - begin] = source[start + k]!;
    at += end - begin;
  }
  return out;
}
