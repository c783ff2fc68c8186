import type { RowType } from "./kernel.js";

/** How rows of codes stand for values, by groups of a row's elements that share a scale. */
export interface CodedForm {
  /** Of a code: 1, 2 or 4, so that a byte has whole ones. Low bits come first. */
  readonly bits: number;
  /** Whether codes are two's complement. */
  readonly signed: boolean;
  /** scale·code + bias, rounded after each step, as MLX computes it; else scale·code, as ONNX does. */
  readonly biased: boolean;
  /** What values are rounded to, and scales and biases are stored in. */
  readonly type: RowType;
  readonly scaleType: RowType;
  /** Elements that share a scale; a row's last group may be shorter. */
  readonly size: number;
}

/** Rows of codes in memory. */
export interface CodedRows {
  readonly form: CodedForm;
  readonly rows: number;
  readonly width: number;
  readonly codes: Uint8Array;
  /** As they are stored, one after the other by row and group; null where there are none. */
  readonly scales: Uint8Array;
  readonly biases: Uint8Array | null;
}

type Values = Uint16Array | Float32Array;

export interface CodedReader {
  /** Values of floats in little-endian bytes. */
  floats(bytes: Uint8Array, type: RowType): Float32Array;
  /** What each code of a group stands for, into `out`. */
  levels(form: CodedForm, scale: number, bias: number, out: Float32Array): void;
  /** All values of the rows: their bits where they have 16, else themselves. Begins at whole words. */
  decode(coded: CodedRows, out: Values): void;
}

/** Self-contained: its text is also part of the source of the worker threads. */
export function createCodedReader(): CodedReader {
  const double = new Float64Array(1);
  const halves = new Uint32Array(double.buffer);
  const single = new Float32Array(1);
  const word = new Uint32Array(single.buffer);
  /** 1.5·2^(52 + i − 256): adding so many quanta of a float leaves no bits below one, and rounds. Raising to powers is slow. */
  const quanta = Float64Array.from({ length: 512 }, (_, i) => 1.5 * 2 ** (52 + i - 256));
  let halfValues: Float32Array | undefined;
  const pairs = new Uint32Array(16);

  /** To a float of `fraction` bits with smallest normal 2^least, to nearest even. */
  function toFraction(v: number, fraction: number, least: number, overflow: number): number {
    if (v === 0 || !Number.isFinite(v)) return v;
    double[0] = v;
    const exponent = Math.max(((halves[1]! >>> 20) & 2047) - 1023, least);
    const magic = quanta[256 + exponent - fraction]!;
    const rounded = v + magic - magic;
    if (Math.abs(rounded) >= overflow) return v < 0 ? -Infinity : Infinity;
    return rounded === 0 && v < 0 ? -0 : rounded;
  }

  function rounded(v: number, type: RowType): number {
    if (type === "f32") return Math.fround(v);
    return type === "f16" ? toFraction(v, 10, -14, 65536) : toFraction(v, 7, -126, 2 ** 128);
  }

  /** Bits of a value that a 16-bit float has. */
  function bitsOf(v: number, type: RowType): number {
    single[0] = v;
    const bits = word[0]!;
    if (type === "bf16") return bits >>> 16;
    const sign = (bits >>> 16) & 0x8000;
    const magnitude = Math.abs(v);
    if (Number.isNaN(v)) return 0x7e00;
    if (magnitude === Infinity) return sign | 0x7c00;
    if (magnitude < 2 ** -14) return sign | (magnitude * 2 ** 24);
    return sign | ((((bits >>> 23) & 255) - 112) << 10) | ((bits >>> 13) & 1023);
  }

  function halfOf(bits: number): number {
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
    const sign = bits & 0x8000 ? -1 : 1;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
  }

  function floats(bytes: Uint8Array, type: RowType): Float32Array {
    // Whole elements begin where the memory likes them to.
    const own = bytes.slice().buffer;
    if (type === "f32") return new Float32Array(own);
    const words = new Uint16Array(own);
    const out = new Float32Array(words.length);
    if (type === "f16") {
      halfValues ??= Float32Array.from({ length: 65536 }, (_, bits) => halfOf(bits));
      for (let i = 0; i < words.length; i++) out[i] = halfValues[words[i]!]!;
    } else {
      const wide = new Uint32Array(out.buffer);
      for (let i = 0; i < words.length; i++) wide[i] = words[i]! << 16;
    }
    return out;
  }

  function levels(form: CodedForm, scale: number, bias: number, out: Float32Array): void {
    const { bits, signed, biased, type } = form;
    const count = 1 << bits;
    // Nothing is rounded as most groups of ternary weights are; a zero scale has zeros of either sign.
    const isTernary = biased && bits === 2 && bias === -scale && scale !== 0 && Math.abs(scale) < 2 ** 14;
    if (isTernary) {
      out[0] = bias;
      out[1] = 0;
      out[2] = scale;
    }
    for (let i = isTernary ? 3 : 0; i < count; i++) {
      const code = signed && i >= count / 2 ? i - count : i;
      out[i] = biased
        ? rounded(rounded(scale * code, type) + bias, type)
        : rounded(Math.fround(scale * code), type);
    }
  }

  /** Bytes of four codes each as words, two at a time. */
  function pairsOfTwoBits(
    bytes: Uint8Array,
    from: number,
    words: Uint16Array,
    out: Uint32Array,
    at: number,
    to: number,
  ) {
    for (let i = 0; i < 16; i++) pairs[i] = words[i & 3]! | (words[i >> 2]! << 16);
    let byte = from;
    for (let i = at; i < to; i += 2) {
      const four = bytes[byte++]!;
      out[i] = pairs[four & 15]!;
      out[i + 1] = pairs[four >> 4]!;
    }
  }

  /** Bytes of whole codes as values. */
  function singly(
    bits: number,
    bytes: Uint8Array,
    from: number,
    values: Values,
    out: Values,
    at: number,
    to: number,
  ) {
    const mask = (1 << bits) - 1;
    let byte = from;
    let i = at;
    while (i < to) {
      const codes = bytes[byte++]!;
      for (let shift = 0; shift < 8; shift += bits) out[i++] = values[(codes >> shift) & mask]!;
    }
  }

  function decode({ form, rows, width, codes, ...stored }: CodedRows, out: Values): void {
    const { bits, size, type, scaleType } = form;
    const scales = floats(stored.scales, scaleType);
    const biases = stored.biases === null ? null : floats(stored.biases, scaleType);
    const found = new Float32Array(1 << bits);
    const words = new Uint16Array(1 << bits);
    const wide =
      bits === 2 && type !== "f32" ? new Uint32Array(out.buffer, out.byteOffset, out.length / 2) : null;
    const groups = Math.ceil(width / size);
    for (let row = 0; row < rows; row++) {
      for (let group = 0; group < groups; group++) {
        const index = row * groups + group;
        levels(form, scales[index]!, biases === null ? 0 : biases[index]!, found);
        if (type !== "f32") for (let i = 0; i < found.length; i++) words[i] = bitsOf(found[i]!, type);
        const at = row * width + group * size;
        const to = at + Math.min(size, width - group * size);
        const from = (at * bits) / 8;
        if (wide !== null) pairsOfTwoBits(codes, from, words, wide, at / 2, to / 2);
        else singly(bits, codes, from, type === "f32" ? found : words, out, at, to);
      }
    }
  }

  return { floats, levels, decode };
}
