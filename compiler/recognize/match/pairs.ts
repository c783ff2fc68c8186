/**
 * Numbers pairs of indices, for interning sequences step by step. An open-addressing table in typed arrays:
 * recognition of a 12-billion-parameter model makes tens of millions of look-ups.
 */
export class Pairs {
  #first = new Int32Array(1 << 12);
  #second = new Int32Array(1 << 12);
  /** Index + 1; 0 marks a free slot. */
  #value = new Int32Array(1 << 12);
  #count = 0;

  /** The index of a pair of 32-bit integers; `next` for one not seen before. */
  index(a: number, b: number, next: number): number {
    const slot = this.#find(a, b);
    const known = this.#value[slot] ?? 0;
    if (known !== 0) return known - 1;
    this.#first[slot] = a;
    this.#second[slot] = b;
    this.#value[slot] = next + 1;
    if (++this.#count * 2 > this.#value.length) this.#grow();
    return next;
  }

  #find(a: number, b: number): number {
    const mask = this.#value.length - 1;
    let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
    hash ^= hash >>> 15;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      if (this.#value[slot] === 0 || (this.#first[slot] === a && this.#second[slot] === b)) return slot;
    }
  }

  #grow(): void {
    const [first, second, value] = [this.#first, this.#second, this.#value];
    this.#first = new Int32Array(2 * first.length);
    this.#second = new Int32Array(2 * first.length);
    this.#value = new Int32Array(2 * first.length);
    for (let i = 0; i < value.length; i++) {
      const v = value[i] ?? 0;
      if (v === 0) continue;
      const slot = this.#find(first[i] ?? 0, second[i] ?? 0);
      this.#first[slot] = first[i] ?? 0;
      this.#second[slot] = second[i] ?? 0;
      this.#value[slot] = v;
    }
  }
}
