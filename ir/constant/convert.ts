import type { DType } from "../dtype.js";
import { isFloat } from "../dtype.js";
import { allocate, type TensorData } from "../tensor.js";
import { isNarrowFloat, widenNarrow } from "./float8.js";
import { decodeBfloat, decodeHalf, encodeBfloat, encodeHalf, roundToBfloat, roundToHalf } from "./float16.js";

/** Typed arrays of numbers: all tensor data but the 64-bit integers. */
export type NumberData = Exclude<TensorData, BigInt64Array | BigUint64Array>;

/** Whether elements are bigints. */
export function isBig(data: TensorData): data is BigInt64Array | BigUint64Array {
  return data instanceof BigInt64Array || data instanceof BigUint64Array;
}

/** A copy of bytes whose start is aligned to `size`, or the bytes themselves if they are. */
function aligned(bytes: Uint8Array, size: number): Uint8Array {
  // Not `slice`: a Node Buffer shares its memory with its slices.
  return bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
}

/**
 * Little-endian, densely packed bytes → tensor data. Sub-byte types are packed low bits first, and `first`
 * (0 unless sub-byte) is the index within the first byte of the first element. May share memory with `bytes`.
 */
export function decodeBytes(dtype: DType, bytes: Uint8Array, count: number, first = 0): TensorData {
  switch (dtype) {
    case "f64":
      return view(bytes, 8, (b, o) => new Float64Array(b, o, count));
    case "f32":
      return view(bytes, 4, (b, o) => new Float32Array(b, o, count));
    case "f16":
      return decodeHalf(view(bytes, 2, (b, o) => new Uint16Array(b, o, count)));
    case "bf16":
      return decodeBfloat(view(bytes, 2, (b, o) => new Uint16Array(b, o, count)));
    case "f8e4m3":
    case "f8e5m2":
      return decodeHalf(widenNarrow(dtype, bytes.subarray(0, count)));
    case "i64":
      return view(bytes, 8, (b, o) => new BigInt64Array(b, o, count));
    case "u64":
      return view(bytes, 8, (b, o) => new BigUint64Array(b, o, count));
    case "i32":
      return view(bytes, 4, (b, o) => new Int32Array(b, o, count));
    case "u32":
      return view(bytes, 4, (b, o) => new Uint32Array(b, o, count));
    case "i16":
      return view(bytes, 2, (b, o) => new Int16Array(b, o, count));
    case "u16":
      return view(bytes, 2, (b, o) => new Uint16Array(b, o, count));
    case "i8":
      return view(bytes, 1, (b, o) => new Int8Array(b, o, count));
    case "u8":
      return view(bytes, 1, (b, o) => new Uint8Array(b, o, count));
    case "bool":
      return Uint8Array.from(bytes.subarray(0, count), (b) => (b === 0 ? 0 : 1));
    case "i4":
    case "u4":
      return unpack(dtype, bytes, count, first, 4);
    case "i2":
    case "u2":
      return unpack(dtype, bytes, count, first, 2);
  }
}

function view<T>(bytes: Uint8Array, size: number, make: (buffer: ArrayBufferLike, offset: number) => T): T {
  const start = aligned(bytes, size);
  return make(start.buffer, start.byteOffset);
}

/** Codes of less than a byte, the first ones of a byte in its lowest bits. All of a byte are looked up together. */
function unpack(
  dtype: "i4" | "u4" | "i2" | "u2",
  bytes: Uint8Array,
  count: number,
  first: number,
  bits: 2 | 4,
): Int8Array | Uint8Array {
  const signed = dtype === "i4" || dtype === "i2";
  const perByte = 8 / bits;
  const table = CODES_OF_BYTES[dtype];
  const skipped = first % perByte;
  const read = bytes.subarray((first - skipped) / perByte, Math.ceil((first + count) / perByte));
  const words = table instanceof Uint16Array ? new Uint16Array(read.length) : new Uint32Array(read.length);
  for (let i = 0; i < read.length; i++) words[i] = table[read[i]!]!;
  return signed ? new Int8Array(words.buffer, skipped, count) : new Uint8Array(words.buffer, skipped, count);
}

/** The codes of each byte, as the bytes of a word. */
function codesOfBytes(bits: 2 | 4, signed: boolean): Uint16Array | Uint32Array {
  const perByte = 8 / bits;
  const up = 32 - bits;
  const codes = Int8Array.from({ length: 256 * perByte }, (_, i) => {
    const raised = Math.floor(i / perByte) << (up - (i % perByte) * bits);
    return signed ? raised >> up : raised >>> up;
  });
  return bits === 4 ? new Uint16Array(codes.buffer) : new Uint32Array(codes.buffer);
}

const CODES_OF_BYTES = {
  i4: codesOfBytes(4, true),
  u4: codesOfBytes(4, false),
  i2: codesOfBytes(2, true),
  u2: codesOfBytes(2, false),
};

/** Tensor data → little-endian bytes; the reverse of `decodeBytes`. May share memory with `data`. */
export function encodeBytes(dtype: DType, data: TensorData): Uint8Array {
  if (isBig(data)) return bytesOf(data);
  if (isNarrowFloat(dtype)) throw new Error(`${dtype} is only read`);
  switch (dtype) {
    case "f16":
      return bytesOf(encodeHalf(data));
    case "bf16":
      return bytesOf(encodeBfloat(data));
    case "f32":
      return bytesOf(data instanceof Float32Array ? data : Float32Array.from(data));
    case "f64":
      return bytesOf(data instanceof Float64Array ? data : Float64Array.from(data));
    case "i4":
    case "u4":
      return pack(data, 4);
    case "i2":
    case "u2":
      return pack(data, 2);
    default:
      return bytesOf(data);
  }
}

function bytesOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function pack(data: NumberData, bits: number): Uint8Array {
  const perByte = 8 / bits;
  const out = new Uint8Array(Math.ceil(data.length / perByte));
  const mask = (1 << bits) - 1;
  for (let i = 0; i < data.length; i++) {
    const at = Math.floor(i / perByte);
    out[at] = out[at]! | ((data[i]! & mask) << ((i % perByte) * bits));
  }
  return out;
}

/**
 * Data of another dtype, as ONNX Cast: float → integer truncates (and wraps; NaN and infinities give 0),
 * integers wrap, anything nonzero → true, floats round to nearest even. Float values are kept in f64 arrays
 * if `wide`, where f32 values keep the precision of f64.
 */
export function convertData(data: TensorData, from: DType, to: DType, wide = false): TensorData {
  const out = allocate(to, data.length, wide);
  if (isBig(out)) {
    if (isBig(data)) for (let i = 0; i < data.length; i++) out[i] = data[i]!;
    else for (let i = 0; i < data.length; i++) out[i] = toBig(data[i]!);
    return out;
  }
  if (to === "bool") {
    if (isBig(data)) for (let i = 0; i < data.length; i++) out[i] = data[i] === 0n ? 0 : 1;
    else for (let i = 0; i < data.length; i++) out[i] = data[i] === 0 ? 0 : 1;
    return out;
  }
  if (isBig(data)) {
    // Wrapping first keeps the low bits that a double would lose.
    if (isFloat(to)) for (let i = 0; i < data.length; i++) out[i] = Number(data[i]!);
    else for (let i = 0; i < data.length; i++) out[i] = Number(BigInt.asIntN(32, data[i]!));
  } else if (isFloat(to)) {
    out.set(data);
  } else {
    for (let i = 0; i < data.length; i++) out[i] = data[i]!;
    if (to === "i4" || to === "u4" || to === "i2" || to === "u2") wrapNarrow(out, to);
  }
  if (to === "f16" && from !== "f16")
    for (let i = 0; i < out.length; i++) out[i] = roundToHalf(exact(data, i));
  if (to === "bf16" && from !== "bf16")
    for (let i = 0; i < out.length; i++) out[i] = roundToBfloat(exact(data, i));
  return out;
}

/** One rounding only: from the source value, not from its float32 neighbour. */
function exact(data: TensorData, i: number): number {
  return Number(data[i]!);
}

function wrapNarrow(data: NumberData, to: "i4" | "u4" | "i2" | "u2"): void {
  const bits = to === "i4" || to === "u4" ? 4 : 2;
  const up = 32 - bits;
  const signed = to === "i4" || to === "i2";
  for (let i = 0; i < data.length; i++) data[i] = signed ? (data[i]! << up) >> up : (data[i]! << up) >>> up;
}

function toBig(v: number): bigint {
  return Number.isFinite(v) ? BigInt(Math.trunc(v)) : 0n;
}
