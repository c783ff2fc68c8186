import { isBig, type NumberData } from "../../constant/convert.js";
import { isFloat } from "../../dtype.js";
import type { UnaryFn } from "../../ops/elementwise.js";
import { allocate, type Tensor, type TensorData } from "../../tensor.js";
import { roundHalfEven } from "../../ternary/quantize.js";
import { type Context, floats, newFloats, OpError } from "../value.js";

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

/**
 * The error function to about 1e-15: erf x = 2/√π·e^(−x²)·Σ 2ⁿx^(2n+1)/(2n+1)!! near zero, and Lentz's continued
 * fraction of erfc x = e^(−x²)/(x√π)·1/(1+ 1/(2x²)/(1+ 2/(2x²)/(1+ …))) in the tail (Abramowitz and Stegun 7.1.6, 7.1.14).
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (a > 6) return Math.sign(x);
  const square = a * a;
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * square) / (2 * n + 1);
      sum += term;
    }
    return Math.sign(x) * TWO_OVER_SQRT_PI * Math.exp(-square) * sum;
  }
  let fraction = a;
  for (let n = 60; n >= 1; n--) fraction = a + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-square) / (Math.sqrt(Math.PI) * fraction));
}

/** 1 / (1 + e^−x) */
export function sigmoid(v: number): number {
  if (v >= 0) return 1 / (1 + Math.exp(-v));
  const e = Math.exp(v);
  return e / (1 + e);
}

/** ln(1 + e^x) */
export function softplus(v: number): number {
  return Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));
}

type Scalar = (v: number) => number;

const FLOAT: Readonly<Record<Exclude<UnaryFn, "not" | "is-nan" | "is-inf" | "bitwise-not">, Scalar>> = {
  abs: Math.abs,
  acos: Math.acos,
  acosh: Math.acosh,
  asin: Math.asin,
  asinh: Math.asinh,
  atan: Math.atan,
  atanh: Math.atanh,
  ceil: Math.ceil,
  cos: Math.cos,
  cosh: Math.cosh,
  erf,
  exp: Math.exp,
  floor: Math.floor,
  "hard-swish": (v) => v * Math.max(0, Math.min(1, v / 6 + 0.5)),
  log: Math.log,
  mish: (v) => v * Math.tanh(softplus(v)),
  neg: (v) => -v,
  reciprocal: (v) => 1 / v,
  relu: (v) => Math.max(v, 0),
  round: (v) => (Number.isFinite(v) ? roundHalfEven(v) : v),
  sigmoid,
  sign: Math.sign,
  sin: Math.sin,
  sinh: Math.sinh,
  softplus,
  softsign: (v) => v / (1 + Math.abs(v)),
  sqrt: Math.sqrt,
  tan: Math.tan,
  tanh: Math.tanh,
};

/** Functions that integers have too; the result wraps to the dtype. */
const INTEGER: ReadonlySet<UnaryFn> = new Set(["abs", "neg", "relu", "sign", "ceil", "floor", "round"]);

export function mapFloats(x: Tensor, context: Context, f: Scalar): Tensor {
  const source = floats(x);
  const out = newFloats(x.dtype, source.length, context.wide);
  for (let i = 0; i < source.length; i++) out[i] = f(source[i]!);
  return { dtype: x.dtype, shape: x.shape, data: out };
}

export function unary(x: Tensor, fn: UnaryFn, context: Context): Tensor {
  switch (fn) {
    case "not":
      return toBool(x, (v) => v === 0);
    case "is-nan":
      return toBool(x, Number.isNaN);
    case "is-inf":
      return toBool(x, (v) => v === Infinity || v === -Infinity);
    case "bitwise-not":
      return { ...x, data: invert(x.data) };
    default:
      if (isFloat(x.dtype)) return mapFloats(x, context, FLOAT[fn]);
      if (!INTEGER.has(fn)) throw new OpError(`${fn} takes floats, not ${x.dtype}`);
      return { ...x, data: mapIntegers(x, fn, FLOAT[fn]) };
  }
}

function toBool(x: Tensor, f: (v: number) => boolean): Tensor {
  const data = new Uint8Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(Number(x.data[i]!)) ? 1 : 0;
  return { dtype: "bool", shape: x.shape, data };
}

function invert(data: TensorData): TensorData {
  const out = data.slice();
  if (isBig(out)) for (let i = 0; i < out.length; i++) out[i] = ~out[i]!;
  else if (out instanceof Float32Array || out instanceof Float64Array)
    throw new OpError("bitwise-not takes integers");
  else for (let i = 0; i < out.length; i++) out[i] = ~out[i]!;
  return out;
}

function mapIntegers(x: Tensor, fn: UnaryFn, f: Scalar): TensorData {
  const out = allocate(x.dtype, x.data.length);
  if (isBig(out) && isBig(x.data)) {
    for (let i = 0; i < out.length; i++) out[i] = mapBig(fn, x.data[i]!);
  } else if (!isBig(out)) {
    const source = x.data as NumberData;
    for (let i = 0; i < out.length; i++) out[i] = f(source[i]!);
  }
  return out;
}

function mapBig(fn: UnaryFn, v: bigint): bigint {
  if (fn === "abs") return v < 0n ? -v : v;
  if (fn === "neg") return -v;
  if (fn === "relu") return v < 0n ? 0n : v;
  if (fn === "sign") return v > 0n ? 1n : v < 0n ? -1n : 0n;
  return v;
}
