/**
 * SHA-256 (FIPS 180-4) of data that arrives in pieces. `crypto.subtle` wants all of it in one buffer, which weights
 * of several gigabytes do not fit into.
 */
export class Sha256 {
  private readonly state = Int32Array.from(INITIAL);
  private readonly block = new Uint8Array(BLOCK);
  private readonly schedule = new Int32Array(64);
  private filled = 0;
  private bytes = 0;

  update(data: Uint8Array): void {
    this.bytes += data.length;
    let at = 0;
    if (this.filled > 0) {
      at = Math.min(BLOCK - this.filled, data.length);
      this.block.set(data.subarray(0, at), this.filled);
      this.filled += at;
      if (this.filled < BLOCK) return;
      this.compress(this.block, 0);
    }
    for (; at + BLOCK <= data.length; at += BLOCK) this.compress(data, at);
    this.filled = data.length - at;
    this.block.set(data.subarray(at));
  }

  /** The digest in lower-case hexadecimal. The object is spent afterwards. */
  finish(): string {
    const { bytes } = this;
    const zeros = (2 * BLOCK - 9 - (bytes % BLOCK)) % BLOCK;
    const tail = new Uint8Array(1 + zeros + 8);
    tail[0] = 0x80;
    const view = new DataView(tail.buffer);
    view.setUint32(1 + zeros, Math.floor(bytes / 2 ** 29));
    view.setUint32(5 + zeros, (bytes * 8) >>> 0);
    this.update(tail);
    return Array.from(this.state, (part) => (part >>> 0).toString(16).padStart(8, "0")).join("");
  }

  private compress(data: Uint8Array, at: number): void {
    const { schedule: w, state } = this;
    for (let t = 0, i = at; t < 16; t++, i += 4) {
      w[t] = byte(data, i, 24) | byte(data, i + 1, 16) | byte(data, i + 2, 8) | byte(data, i + 3, 0);
    }
    for (let t = 16; t < 64; t++) {
      const x = word(w, t - 15);
      const y = word(w, t - 2);
      const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
      const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
      w[t] = (word(w, t - 16) + s0 + word(w, t - 7) + s1) | 0;
    }
    let a = word(state, 0);
    let b = word(state, 1);
    let c = word(state, 2);
    let d = word(state, 3);
    let e = word(state, 4);
    let f = word(state, 5);
    let g = word(state, 6);
    let h = word(state, 7);
    for (let t = 0; t < 64; t++) {
      const e1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const t1 = (h + e1 + ((e & f) ^ (~e & g)) + word(ROUND, t) + word(w, t)) | 0;
      const a0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      const t2 = (a0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    const sums = [a, b, c, d, e, f, g, h];
    for (let i = 0; i < 8; i++) state[i] = (word(state, i) + (sums[i] ?? 0)) | 0;
  }
}

const BLOCK = 64;

function byte(data: Uint8Array, index: number, shift: number): number {
  return (data[index] ?? 0) << shift;
}

function word(words: Int32Array, index: number): number {
  return words[index] ?? 0;
}

function rotate(x: number, n: number): number {
  return (x >>> n) | (x << (32 - n));
}

/** First 32 bits of the fraction of the roots of the first primes: square roots of 8, cube roots of 64. */
const PRIMES = firstPrimes(64);
const INITIAL = PRIMES.slice(0, 8).map((p) => rootFraction(BigInt(p), 2n));
const ROUND = Int32Array.from(PRIMES.map((p) => rootFraction(BigInt(p), 3n)));

function firstPrimes(count: number): readonly number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((p) => n % p !== 0)) primes.push(n);
  return primes;
}

/** Low 32 bits of ⌊2^32 · p^(1/degree)⌋, by bisection in whole numbers. */
function rootFraction(p: bigint, degree: bigint): number {
  const target = p << (32n * degree);
  let [low, high] = [0n, p << 32n];
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** degree <= target) low = middle;
    else high = middle;
  }
  return Number(low & 0xffffffffn);
}
