/** Longer clusters of characters are looked up character by character. */
const MOST_CLUSTER_BYTES = 6;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/**
 * SentencePiece's compiled table of characters and what replaces them, as tokenizers read it: the size of a double-array trie
 * in bytes, its units (u32), then the replacements, each ended by a 0. A unit has its label in the low byte, a leaf's
 * mark at bit 8, and the distance to its children from bit 10 on, in units of 256 where bit 9 is set.
 */
export class Charsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;

  /** Throws a RangeError where the bytes are no such table. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.length < 4 ? Number.NaN : view.getUint32(0, true);
    if (!(size % 4 === 0 && size <= bytes.length - 4)) throw new RangeError("the table of characters is cut");
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#replacements = bytes.subarray(4 + size);
  }

  /** The text with its characters replaced, and clusters of them that the table begins with. */
  normalize(text: string): string {
    let out = "";
    for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)) {
      const whole = ENCODER.encode(segment);
      const found = whole.length < MOST_CLUSTER_BYTES ? this.#replacement(whole) : undefined;
      if (found !== undefined) out += found;
      else for (const character of segment) out += this.#replacement(ENCODER.encode(character)) ?? character;
    }
    return out;
  }

  /** What replaces the shortest beginning that the table has. */
  #replacement(key: Uint8Array): string | undefined {
    const units = this.#units;
    let at = childrenOf(units[0] ?? 0);
    for (const byte of key) {
      if (byte === 0) return undefined;
      at ^= byte;
      const unit = units[at] ?? 0;
      if ((unit & 0x800000ff) !== byte) return undefined;
      at ^= childrenOf(unit);
      if (((unit >>> 8) & 1) === 1) return this.#textAt((units[at] ?? 0) & 0x7fffffff);
    }
    return undefined;
  }

  #textAt(start: number): string {
    const end = this.#replacements.indexOf(0, start);
    return DECODER.decode(this.#replacements.subarray(start, end < 0 ? undefined : end));
  }
}

function childrenOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
