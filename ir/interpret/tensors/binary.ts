import { convertData, isBig, type NumberData } from "../../constant/convert.js";
import { type DType, isFloat } from "../../dtype.js";
import { type BinaryFn, COMPARISONS } from "../../ops/elementwise.js";
import { allocate, type Tensor, type TensorData } from "../../tensor.js";
import { type Context, type Floats, OpError } from "../value.js";
import { type BroadcastPlan, planBroadcast } from "./broadcast.js";

type Fn = (a: number, b: number) => number;
type BigFn = (a: bigint, b: bigint) => bigint | boolean;

/** fmod keeps the dividend's sign, mod the divisor's. */
function floorMod(a: number, b: number): number {
  const r = a % b;
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
}

const bit = (v: boolean) => (v ? 1 : 0);

/** On doubles; an integer result wraps when it is stored. */
const FUNCTIONS: Readonly<Record<BinaryFn, Fn>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  // IEEE: a base of 1, or an exponent of 0, gives 1 even with NaN.
  pow: (a, b) => (a === 1 ? 1 : a === -1 && Math.abs(b) === Infinity ? 1 : a ** b),
  mod: floorMod,
  fmod: (a, b) => a % b,
  max: Math.max,
  min: Math.min,
  and: (a, b) => bit(a !== 0 && b !== 0),
  or: (a, b) => bit(a !== 0 || b !== 0),
  xor: (a, b) => bit((a !== 0) !== (b !== 0)),
  "bit-and": (a, b) => a & b,
  "bit-or": (a, b) => a | b,
  "bit-xor": (a, b) => a ^ b,
  "shift-left": (a, b) => (b >= 32 ? 0 : a << b),
  "shift-right": (a, b) => (b >= 32 ? 0 : a >>> b),
  equal: (a, b) => bit(a === b),
  less: (a, b) => bit(a < b),
  "less-equal": (a, b) => bit(a <= b),
  greater: (a, b) => bit(a > b),
  "greater-equal": (a, b) => bit(a >= b),
};

/** Where integers differ from doubles. */
const INTEGER: Readonly<Partial<Record<BinaryFn, Fn>>> = {
  mul: Math.imul,
  div: (a, b) => {
    if (b === 0) throw new OpError("integer division by zero");
    return Math.trunc(a / b);
  },
  mod: (a, b) => {
    if (b === 0) throw new OpError("integer modulo by zero");
    return floorMod(a, b);
  },
  fmod: (a, b) => {
    if (b === 0) throw new OpError("integer modulo by zero");
    return a % b;
  },
};

const BIG: Readonly<Record<BinaryFn, BigFn>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / nonZero(b),
  pow: (a, b) => {
    if (b >= 0n) return b < 64n || (a >= -1n && a <= 1n) ? a ** b : 0n;
    return a === 1n ? 1n : a === -1n ? (b % 2n === 0n ? 1n : -1n) : 0n;
  },
  mod: (a, b) => {
    const r = a % nonZero(b);
    return r !== 0n && r < 0n !== b < 0n ? r + b : r;
  },
  fmod: (a, b) => a % nonZero(b),
  max: (a, b) => (a > b ? a : b),
  min: (a, b) => (a < b ? a : b),
  and: (a, b) => a !== 0n && b !== 0n,
  or: (a, b) => a !== 0n || b !== 0n,
  xor: (a, b) => (a !== 0n) !== (b !== 0n),
  "bit-and": (a, b) => a & b,
  "bit-or": (a, b) => a | b,
  "bit-xor": (a, b) => a ^ b,
  "shift-left": (a, b) => (b >= 64n ? 0n : a << b),
  "shift-right": (a, b) => (b >= 64n ? 0n : a >> b),
  equal: (a, b) => a === b,
  less: (a, b) => a < b,
  "less-equal": (a, b) => a <= b,
  greater: (a, b) => a > b,
  "greater-equal": (a, b) => a >= b,
};

function nonZero(b: bigint): bigint {
  if (b === 0n) throw new OpError("integer division by zero");
  return b;
}

export function binary(a: Tensor, b: Tensor, fn: BinaryFn, context: Context): Tensor {
  const plan = planBroadcast([a.shape, b.shape]);
  const { shape, count } = plan;
  // Pow alone takes two dtypes and gives the first; the exponent then counts as the base's kind of number.
  const operand = b.dtype === a.dtype || fn !== "pow" ? b : alignExponent(a, b);
  if (operand.dtype !== a.dtype && fn !== "pow") throw new OpError(`${fn} of ${a.dtype} and ${b.dtype}`);
  const dtype: DType = COMPARISONS.has(fn) ? "bool" : a.dtype;
  const data = allocate(dtype, count, context.wide);
  const [left, right] = [a.data, operand.data];
  if (isBig(left) && isBig(right)) bigLoop(plan, left, right, data, BIG[fn]);
  else if (!isBig(left) && !isBig(right) && !isBig(data)) {
    if (isFloat(a.dtype)) floatLoops(plan, left, right, data, fn);
    else integerLoop(plan, left, right, data, INTEGER[fn] ?? FUNCTIONS[fn]);
  }
  return { dtype, shape, data };
}

function alignExponent(a: Tensor, b: Tensor): Tensor {
  if (!isBig(a.data))
    return isBig(b.data) ? { ...b, dtype: "f64", data: convertData(b.data, b.dtype, "f64") } : b;
  return { ...b, dtype: a.dtype, data: convertData(b.data, b.dtype, a.dtype) };
}

/** The four arithmetic operations have loops of their own, which the JIT compiles to plain float code. */
function floatLoops(plan: BroadcastPlan, a: NumberData, b: NumberData, out: NumberData, fn: BinaryFn): void {
  const real = isFloats(a) && isFloats(b) && isFloats(out);
  if (real && fn === "add") addLoop(plan, a, b, out);
  else if (real && fn === "sub") subLoop(plan, a, b, out);
  else if (real && fn === "mul") mulLoop(plan, a, b, out);
  else if (real && fn === "div") divLoop(plan, a, b, out);
  else loop(plan, a, b, out, FUNCTIONS[fn]);
}

function isFloats(data: NumberData): data is Floats {
  return data instanceof Float32Array || data instanceof Float64Array;
}

function addLoop({ inner, steps, offsets }: BroadcastPlan, a: Floats, b: Floats, out: Floats): void {
  const [sa = 0, sb = 0] = steps;
  const [pa, pb] = [offsets[0]!, offsets[1]!];
  for (let run = 0, o = 0; run < pa.length; run++) {
    for (let i = 0, x = pa[run]!, y = pb[run]!; i < inner; i++, x += sa, y += sb) out[o++] = a[x]! + b[y]!;
  }
}

function subLoop({ inner, steps, offsets }: BroadcastPlan, a: Floats, b: Floats, out: Floats): void {
  const [sa = 0, sb = 0] = steps;
  const [pa, pb] = [offsets[0]!, offsets[1]!];
  for (let run = 0, o = 0; run < pa.length; run++) {
    for (let i = 0, x = pa[run]!, y = pb[run]!; i < inner; i++, x += sa, y += sb) out[o++] = a[x]! - b[y]!;
  }
}

function mulLoop({ inner, steps, offsets }: BroadcastPlan, a: Floats, b: Floats, out: Floats): void {
  const [sa = 0, sb = 0] = steps;
  const [pa, pb] = [offsets[0]!, offsets[1]!];
  for (let run = 0, o = 0; run < pa.length; run++) {
    for (let i = 0, x = pa[run]!, y = pb[run]!; i < inner; i++, x += sa, y += sb) out[o++] = a[x]! * b[y]!;
  }
}

function divLoop({ inner, steps, offsets }: BroadcastPlan, a: Floats, b: Floats, out: Floats): void {
  const [sa = 0, sb = 0] = steps;
  const [pa, pb] = [offsets[0]!, offsets[1]!];
  for (let run = 0, o = 0; run < pa.length; run++) {
    for (let i = 0, x = pa[run]!, y = pb[run]!; i < inner; i++, x += sa, y += sb) out[o++] = a[x]! / b[y]!;
  }
}

function loop(
  { inner, steps, offsets }: BroadcastPlan,
  a: NumberData,
  b: NumberData,
  out: NumberData,
  f: Fn,
): void {
  const [sa = 0, sb = 0] = steps;
  const [pa, pb] = [offsets[0]!, offsets[1]!];
  for (let run = 0, o = 0; run < pa.length; run++) {
    for (let i = 0, x = pa[run]!, y = pb[run]!; i < inner; i++, x += sa, y += sb) out[o++] = f(a[x]!, b[y]!);
  }
}

/** As `loop`; apart from it so that the JIT's types for floats stay clean. */
function integerLoop(
  { inner, steps, offsets }: BroadcastPlan,
  a: NumberData,
  b: NumberData,
  out: NumberData,
  f: Fn,
): void {
  const [sa = 0, sb = 0] = steps;
  const [pa, pb] = [offsets[0]!, offsets[1]!];
  for (let run = 0, o = 0; run < pa.length; run++) {
    for (let i = 0, x = pa[run]!, y = pb[run]!; i < inner; i++, x += sa, y += sb) out[o++] = f(a[x]!, b[y]!);
  }
}

type BigData = BigInt64Array | BigUint64Array;

function bigLoop(
  { inner, steps, offsets }: BroadcastPlan,
  a: BigData,
  b: BigData,
  out: TensorData,
  f: BigFn,
): void {
  const [sa = 0, sb = 0] = steps;
  const [pa, pb] = [offsets[0]!, offsets[1]!];
  for (let run = 0, o = 0; run < pa.length; run++) {
    for (let i = 0, x = pa[run]!, y = pb[run]!; i < inner; i++, x += sa, y += sb) {
      const r = f(a[x]!, b[y]!);
      if (isBig(out)) out[o++] = BigInt(r);
      else out[o++] = Number(r);
    }
  }
}

export function where(condition: Tensor, a: Tensor, b: Tensor, context: Context): Tensor {
  if (a.dtype !== b.dtype) throw new OpError(`where of ${a.dtype} and ${b.dtype}`);
  const { shape, count, inner, steps, offsets } = planBroadcast([condition.shape, a.shape, b.shape]);
  const data = allocate(a.dtype, count, context.wide);
  const [sc = 0, sa = 0, sb = 0] = steps;
  const [pc, pa, pb] = [offsets[0]!, offsets[1]!, offsets[2]!];
  const [test, left, right] = [condition.data, a.data, b.data];
  for (let run = 0, o = 0; run < pc.length; run++) {
    let [w, x, y] = [pc[run]!, pa[run]!, pb[run]!];
    if (isBig(data) && isBig(left) && isBig(right)) {
      for (let i = 0; i < inner; i++, w += sc, x += sa, y += sb) data[o++] = test[w] ? left[x]! : right[y]!;
    } else if (!isBig(data) && !isBig(left) && !isBig(right)) {
      for (let i = 0; i < inner; i++, w += sc, x += sa, y += sb) data[o++] = test[w] ? left[x]! : right[y]!;
    }
  }
  return { dtype: a.dtype, shape, data };
}

export function prelu(x: Tensor, slope: Tensor, context: Context): Tensor {
  const plan = planBroadcast([x.shape, slope.shape]);
  const data = allocate(x.dtype, plan.count, context.wide);
  if (isBig(x.data) || isBig(slope.data) || isBig(data)) throw new OpError(`prelu of ${x.dtype}`);
  loop(plan, x.data, slope.data, data, (v, s) => (v < 0 ? v * s : v));
  return { dtype: x.dtype, shape: plan.shape, data };
}
