import { TritcError } from "../../ir/errors.js";
import {
  type ElementFn,
  type ElementType,
  type Expression,
  printExpression,
  typeOfExpression,
} from "../../ir/families/expression.js";
import type { BinaryFn } from "../../ir/ops/elementwise.js";
import { watFloat } from "../wat/values.js";

/** An expression as WebAssembly text over (local.get $v0), …, and what it needs around it. */
export interface WatExpression {
  readonly body: string;
  /** Function files, each behind those it calls. */
  readonly functions: readonly string[];
  /** Scalar functions to be applied lane by lane: `$<name>` on vectors from `$<scalar>`. */
  readonly lanewise: readonly LanewiseFunction[];
}

export type LanewiseFunction = Readonly<{
  name: string;
  scalar: string;
  operands: number;
  float: boolean;
}>;

/** Order in which files may be included, callees first. */
const FILE_ORDER = [
  "exp",
  "silu",
  "gelu-tanh",
  "erf",
  "gelu-erf",
  "exp64",
  "log64",
  "trig64",
  "inverse-trig64",
  "hyperbolic64",
  "pow64",
  "remainder64",
  "integer",
] as const;
type FunctionFile = (typeof FILE_ORDER)[number];

/** f32 functions that are one instruction. */
const F32_INSTRUCTIONS: Partial<Record<ElementFn, string>> = {
  abs: "f32x4.abs",
  neg: "f32x4.neg",
  ceil: "f32x4.ceil",
  floor: "f32x4.floor",
  round: "f32x4.nearest",
  sqrt: "f32x4.sqrt",
};

/** f32 functions on vectors. */
const F32_VECTOR: Partial<Record<ElementFn, readonly [string, readonly FunctionFile[]]>> = {
  exp: ["$exp", ["exp"]],
  erf: ["$erf", ["exp", "erf"]],
  silu: ["$silu", ["exp", "silu"]],
  "gelu-tanh": ["$geluTanh", ["exp", "gelu-tanh"]],
  "gelu-erf": ["$geluErf", ["exp", "erf", "gelu-erf"]],
};

const HYPERBOLIC: readonly FunctionFile[] = ["exp64", "log64", "hyperbolic64"];

/** f32 functions computed in f64, lane by lane: accurate rather than fast, for what models hold little of. */
const F32_LANEWISE: Partial<Record<ElementFn | BinaryFn, readonly FunctionFile[]>> = {
  log: ["log64"],
  sin: ["trig64"],
  cos: ["trig64"],
  tan: ["trig64"],
  atan: ["inverse-trig64"],
  asin: ["inverse-trig64"],
  acos: ["inverse-trig64"],
  sinh: HYPERBOLIC,
  cosh: HYPERBOLIC,
  tanh: HYPERBOLIC,
  asinh: HYPERBOLIC,
  acosh: HYPERBOLIC,
  atanh: HYPERBOLIC,
  softplus: HYPERBOLIC,
  mish: HYPERBOLIC,
  pow: ["exp64", "log64", "pow64"],
  mod: ["remainder64"],
  fmod: ["remainder64"],
};

const F32_BINARY: Partial<Record<BinaryFn, string>> = {
  add: "f32x4.add",
  sub: "f32x4.sub",
  mul: "f32x4.mul",
  div: "f32x4.div",
  max: "f32x4.max",
  min: "f32x4.min",
  equal: "f32x4.eq",
  less: "f32x4.lt",
  "less-equal": "f32x4.le",
  greater: "f32x4.gt",
  "greater-equal": "f32x4.ge",
};

/** `_` stands for _s or _u. */
const INTEGER_BINARY: Partial<Record<BinaryFn, string>> = {
  add: "i32x4.add",
  sub: "i32x4.sub",
  mul: "i32x4.mul",
  max: "i32x4.max_",
  min: "i32x4.min_",
  equal: "i32x4.eq",
  less: "i32x4.lt_",
  "less-equal": "i32x4.le_",
  greater: "i32x4.gt_",
  "greater-equal": "i32x4.ge_",
  "bit-and": "v128.and",
  "bit-or": "v128.or",
  "bit-xor": "v128.xor",
};
const INTEGER_LANEWISE: Partial<Record<BinaryFn, string>> = {
  div: "div",
  mod: "mod",
  fmod: "fmod",
  "shift-left": "shl",
  "shift-right": "shr",
};

const COMPARING: ReadonlySet<BinaryFn> = new Set(["equal", "less", "less-equal", "greater", "greater-equal"]);
const LOGIC: Partial<Record<BinaryFn, string>> = { and: "v128.and", or: "v128.or", xor: "v128.xor" };

const ONE = "(v128.const i32x4 1 1 1 1)";
const ZERO = "(v128.const i32x4 0 0 0 0)";
const f32 = (value: number) => `(v128.const f32x4${` ${watFloat(Math.fround(value))}`.repeat(4)})`;

export function watExpression(expression: Expression, inputs: readonly ElementType[]): WatExpression {
  const writer = new Writer(inputs);
  const body = writer.write(expression);
  const functions = FILE_ORDER.filter((file) => writer.files.has(file)).map((file) => `wat/${file}.wat`);
  return { body, functions, lanewise: [...writer.lanewise.values()] };
}

class Writer {
  readonly files = new Set<FunctionFile>();
  readonly lanewise = new Map<string, LanewiseFunction>();

  constructor(private readonly inputs: readonly ElementType[]) {}

  write(e: Expression): string {
    switch (e.kind) {
      case "input":
        return `(local.get $v${e.index})`;
      case "constant":
        return e.type === "f32"
          ? f32(e.value)
          : `(v128.const i32x4${` ${Math.trunc(e.value) | 0}`.repeat(4)})`;
      case "cast":
        return this.cast(e.to, e.of);
      case "unary":
        return this.type(e.of) === "f32" ? this.floatUnary(e.fn, e.of) : this.integerUnary(e.fn, e.of);
      case "binary":
        return this.binary(e);
      case "where":
        return `(v128.bitselect ${this.write(e.whenTrue)} ${this.write(e.whenFalse)} ${truth(this.write(e.condition))})`;
    }
  }

  private type(e: Expression): ElementType {
    return typeOfExpression(e, this.inputs);
  }

  private cast(to: ElementType, of: Expression): string {
    const from = this.type(of);
    const x = this.write(of);
    if (from === "f32" && to !== "f32") return `(i32x4.trunc_sat_f32x4_${sign(to)} ${x})`;
    if (from !== "f32" && to === "f32") return `(f32x4.convert_i32x4_${sign(from)} ${x})`;
    return x;
  }

  private floatUnary(fn: ElementFn, of: Expression): string {
    const x = this.write(of);
    const instruction = F32_INSTRUCTIONS[fn];
    if (instruction !== undefined) return `(${instruction} ${x})`;
    const vector = F32_VECTOR[fn];
    if (vector !== undefined) {
      for (const file of vector[1]) this.files.add(file);
      return `(call ${vector[0]} ${x})`;
    }
    const files = F32_LANEWISE[fn];
    if (files !== undefined) return `(call ${this.applyLanewise(fn, 1, true, files)} ${x})`;
    // The rest is spelled with other functions; `of` is then written more than once.
    switch (fn) {
      case "reciprocal":
        return `(f32x4.div ${f32(1)} ${x})`;
      case "relu":
        return `(f32x4.max ${x} ${f32(0)})`;
      case "sigmoid":
        this.files.add("exp");
        return `(f32x4.div ${f32(1)} (f32x4.add ${f32(1)} (call $exp (f32x4.neg ${x}))))`;
      case "sign":
        return `(f32x4.sub (v128.and ${f32(1)} (f32x4.gt ${x} ${f32(0)})) (v128.and ${f32(1)} (f32x4.lt ${x} ${f32(0)})))`;
      case "softsign":
        return `(f32x4.div ${x} (f32x4.add ${f32(1)} (f32x4.abs ${x})))`;
      case "hard-swish":
        return `(f32x4.mul ${x} (f32x4.max ${f32(0)} (f32x4.min ${f32(1)} (f32x4.add ${f32(0.5)} (f32x4.mul ${x} ${f32(1 / 6)})))))`;
      case "not":
        return `(v128.and ${ONE} (f32x4.eq ${x} ${f32(0)}))`;
      case "is-nan":
        return `(v128.and ${ONE} (f32x4.ne ${x} ${x}))`;
      case "is-inf":
        return `(v128.and ${ONE} (f32x4.eq (f32x4.abs ${x}) ${f32(Number.POSITIVE_INFINITY)}))`;
      default:
        throw unsupported({ kind: "unary", fn, of }, "f32");
    }
  }

  private integerUnary(fn: ElementFn, of: Expression): string {
    const x = this.write(of);
    const type = this.type(of);
    switch (fn) {
      case "abs":
        return type === "u32" ? x : `(i32x4.abs ${x})`;
      case "neg":
        return `(i32x4.neg ${x})`;
      case "relu":
        return type === "u32" ? x : `(i32x4.max_s ${x} ${ZERO})`;
      case "sign":
        return type === "u32"
          ? `(v128.and ${ONE} ${truth(x)})`
          : `(i32x4.max_s (v128.const i32x4 -1 -1 -1 -1) (i32x4.min_s ${ONE} ${x}))`;
      case "ceil":
      case "floor":
      case "round":
        return x;
      case "bitwise-not":
        return `(v128.not ${x})`;
      case "not":
        return `(v128.and ${ONE} (i32x4.eq ${x} ${ZERO}))`;
      case "is-nan":
      case "is-inf":
        return ZERO;
      default:
        throw unsupported({ kind: "unary", fn, of }, type);
    }
  }

  private binary(e: Extract<Expression, { kind: "binary" }>): string {
    const { fn } = e;
    const type = this.type(e.left);
    const left = this.write(e.left);
    const right = this.write(e.right);
    const logic = LOGIC[fn];
    if (logic !== undefined) {
      if (type === "f32") throw unsupported(e, type);
      return `(v128.and ${ONE} (${logic} ${truth(left)} ${truth(right)}))`;
    }
    const instruction = type === "f32" ? F32_BINARY[fn] : INTEGER_BINARY[fn];
    if (instruction !== undefined) {
      const name = instruction.endsWith("_") ? `${instruction}${sign(type)}` : instruction;
      const value = `(${name} ${left} ${right})`;
      return COMPARING.has(fn) ? `(v128.and ${ONE} ${value})` : value;
    }
    if (type === "f32") {
      const files = F32_LANEWISE[fn];
      if (files === undefined) throw unsupported(e, type);
      return `(call ${this.applyLanewise(fn, 2, true, files)} ${left} ${right})`;
    }
    if (fn === "pow") {
      const power = this.applyLanewise("pow", 2, true, ["exp64", "log64", "pow64"]);
      const wide = (x: string) => `(f32x4.convert_i32x4_${sign(type)} ${x})`;
      return `(i32x4.trunc_sat_f32x4_${sign(type)} (f32x4.nearest (call ${power} ${wide(left)} ${wide(right)})))`;
    }
    const lane = INTEGER_LANEWISE[fn];
    if (lane === undefined) throw unsupported(e, type);
    return `(call ${this.applyLanewise(`${lane}_${sign(type)}`, 2, false, ["integer"])} ${left} ${right})`;
  }

  private applyLanewise(
    fn: string,
    operands: number,
    float: boolean,
    files: readonly FunctionFile[],
  ): string {
    for (const file of files) this.files.add(file);
    const name = `lanes_${fn}`;
    this.lanewise.set(name, { name, scalar: float ? `${fn}64` : fn, operands, float });
    return `$${name}`;
  }
}

function sign(type: ElementType): "s" | "u" {
  return type === "u32" ? "u" : "s";
}

function truth(x: string): string {
  return `(i32x4.ne ${x} ${ZERO})`;
}

function unsupported(e: Expression, type: ElementType): TritcError {
  return new TritcError({
    code: "TRITC_E_KERNEL",
    message: `the cpu target has no such function of ${type}`,
    place: printExpression(e),
    remedy: "evaluate the model with the interpreter, or report the operator",
  });
}
