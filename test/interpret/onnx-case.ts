import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { interpret } from "../../ir/interpret/index.js";
import { allocate, countOf, type Tensor } from "../../ir/tensor.js";
import {
  type AttributeValue,
  type GraphParts,
  model,
  node,
  type OnnxTypeName,
  tensor,
  value,
} from "../support/onnx-builder.js";
import { uniform } from "../support/random.js";

/** One operator on given operands, run by the interpreter and by ONNX Runtime. */
export interface Case {
  readonly op: string;
  readonly inputs: readonly (Tensor | null)[];
  readonly attrs?: Readonly<Record<string, AttributeValue>>;
  /** Dtypes of the outputs; by default one, of the first operand's dtype. */
  readonly out?: readonly OnnxTypeName[];
  readonly opset?: number;
  readonly domain?: string;
  /** Relative to the largest magnitude; 1e-5 by default. */
  readonly tolerance?: number;
}

/** Uniform in [0, 1); a fixed sequence. */
export const random = uniform(12345);

/** Normal-like floats, never zero. */
export function f32(...shape: number[]): Tensor {
  return { dtype: "f32", shape, data: Float32Array.from({ length: countOf(shape) }, gaussian) };
}

export function f64(...shape: number[]): Tensor {
  return { dtype: "f64", shape, data: Float64Array.from({ length: countOf(shape) }, gaussian) };
}

function gaussian(): number {
  return (random() + random() + random() + random() - 2) * 1.7 + 1e-3;
}

/** Floats in (low, high). */
export function between(low: number, high: number, ...shape: number[]): Tensor {
  return {
    dtype: "f32",
    shape,
    data: Float32Array.from({ length: countOf(shape) }, () => low + (high - low) * random()),
  };
}

/** Whole numbers in [low, high]. */
export function whole(dtype: Tensor["dtype"], low: number, high: number, ...shape: number[]): Tensor {
  const count = countOf(shape);
  const data = allocate(dtype, count);
  for (let i = 0; i < count; i++) {
    const v = low + Math.floor(random() * (high - low + 1));
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(v);
    else data[i] = v;
  }
  return { dtype, shape, data };
}

export function bool(...shape: number[]): Tensor {
  return whole("bool", 0, 1, ...shape);
}

/** An i64 vector. */
export function i64(...values: number[]): Tensor {
  return { dtype: "i64", shape: [values.length], data: BigInt64Array.from(values, BigInt) };
}

/** A scalar of a dtype. */
export function scalar(dtype: Tensor["dtype"], v: number): Tensor {
  const data = allocate(dtype, 1);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[0] = BigInt(v);
  else data[0] = v;
  return { dtype, shape: [], data };
}

export function of(dtype: Tensor["dtype"], shape: readonly number[], values: readonly number[]): Tensor {
  const data = allocate(dtype, values.length);
  values.forEach((v, i) => {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(v);
    else data[i] = v;
  });
  return { dtype, shape, data };
}

const ORT_TYPES = {
  f32: "float32",
  f64: "float64",
  i64: "int64",
  u64: "uint64",
  i32: "int32",
  u32: "uint32",
  i16: "int16",
  u16: "uint16",
  i8: "int8",
  u8: "uint8",
  bool: "bool",
} as const;

function toOrt({ dtype, data, shape }: Tensor): ort.Tensor {
  const type = ORT_TYPES[dtype as keyof typeof ORT_TYPES];
  // The constructor's overloads tie each type to its array, which the table above has done already.
  const Create = ort.Tensor as unknown as new (
    type: string,
    data: unknown,
    dims: readonly number[],
  ) => ort.Tensor;
  return new Create(type, data, shape);
}

/** Nothing fused or folded: each operator as it is. One thread, because a pool costs more than the work. */
const SESSION: ort.InferenceSession.SessionOptions = {
  graphOptimizationLevel: "disabled",
  logSeverityLevel: 4,
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
};

export interface Outcome {
  readonly found: ReadonlyMap<string, Tensor>;
  /** The same with all floats kept in f64. */
  readonly wide: ReadonlyMap<string, Tensor>;
  readonly expected: ReadonlyMap<string, ort.Tensor>;
}

/** Runs a model both ways on named inputs. */
export async function runBoth(bytes: Uint8Array, inputs: ReadonlyMap<string, Tensor>): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "tritc-interpret-"));
  try {
    const path = join(folder, "model.onnx");
    writeFileSync(path, bytes);
    const session = await ort.InferenceSession.create(path, SESSION);
    const feeds = Object.fromEntries([...inputs].map(([name, t]) => [name, toOrt(t)]));
    const results = await session.run(feeds);
    const graph = importOnnx(path);
    const reader = fileReader();
    const found = interpret(graph, inputs, { reader });
    const wide = interpret(graph, inputs, { reader, precision: "f64" });
    reader.close();
    return { found, wide, expected: new Map(Object.entries(results)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Fails with the coordinates and both values of the worst element. */
export function expectClose(
  found: Tensor | undefined,
  expected: ort.Tensor,
  tolerance: number,
  what: string,
): void {
  if (found === undefined) throw new Error(`${what}: no output`);
  expect(found.shape, `${what}: shape`).toEqual([...expected.dims]);
  expect(ORT_TYPES[found.dtype as keyof typeof ORT_TYPES], `${what}: dtype`).toBe(expected.type);
  const data = expected.data as ArrayLike<number | bigint>;
  let peak = 0;
  for (let i = 0; i < data.length; i++) {
    const magnitude = Math.abs(Number(data[i]));
    if (Number.isFinite(magnitude)) peak = Math.max(peak, magnitude);
  }
  const exact = !found.dtype.startsWith("f");
  for (let i = 0; i < data.length; i++) {
    const [a, b] = [found.data[i]!, data[i]!];
    const bound = exact ? 0 : tolerance * Math.max(peak, 1e-30);
    const same = a === b || (Number.isNaN(a) && Number.isNaN(b)) || Math.abs(Number(a) - Number(b)) <= bound;
    if (!same)
      throw new Error(
        `${what}: element ${i} of [${found.shape.join(", ")}] is ${a}, ONNX Runtime gives ${b}`,
      );
  }
}

/** As `expectClose`, between tensors of this project. */
export function toExpected(t: Tensor): ort.Tensor {
  return toOrt(t);
}

export function describeCase({ op, inputs, attrs, opset }: Case): string {
  const shapes = inputs.map((t) => (t === null ? "none" : `${t.dtype}[${t.shape.join(",")}]`)).join(" ");
  const options =
    attrs === undefined
      ? ""
      : ` ${JSON.stringify(attrs, (_, v: unknown) => (typeof v === "bigint" ? `${v}` : v))}`;
  return `${op}${opset === undefined ? "" : `@${opset}`} ${shapes}${options}`;
}

/** All cases as tests: each operand a graph input (so that nothing is folded), compared with ONNX Runtime. */
export function check(cases: readonly Case[]): void {
  cases.forEach((c, n) => {
    it(`${n} ${describeCase(c)}`, async () => {
      const names = c.inputs.map((t, i) => (t === null ? "" : `x${i}`));
      while (names[names.length - 1] === "") names.pop();
      const out = c.out ?? [onnxType(c.inputs[0])];
      const outputs = out.map((_, i) => `y${i}`);
      const parts: GraphParts = {
        inputs: c.inputs.flatMap((t, i) => (t === null ? [] : [value(`x${i}`, onnxType(t), t.shape)])),
        outputs: out.map((type, i) => value(`y${i}`, type)),
        nodes: [
          node(c.op, names, outputs, c.attrs ?? {}, c.domain === undefined ? {} : { domain: c.domain }),
        ],
      };
      const bytes = model(parts, {
        opset: c.opset ?? 18,
        ...(c.domain === undefined ? {} : { domains: [c.domain] }),
      });
      const inputs = new Map(c.inputs.flatMap((t, i) => (t === null ? [] : [[`x${i}`, t] as const])));
      const { found, wide, expected } = await runBoth(bytes, inputs);
      for (const name of outputs) {
        const reference = expected.get(name);
        if (reference === undefined) throw new Error(`ONNX Runtime gave no ${name}`);
        expectClose(found.get(name), reference, c.tolerance ?? 1e-5, `${describeCase(c)} ${name}`);
        expectClose(wide.get(name), reference, c.tolerance ?? 1e-5, `${describeCase(c)} ${name} in f64`);
      }
    });
  });
}

function onnxType(t: Tensor | null | undefined): OnnxTypeName {
  return t === null || t === undefined ? "f32" : (t.dtype as OnnxTypeName);
}

/** An initializer from a tensor. */
export function initializer(name: string, t: Tensor) {
  return tensor(name, onnxType(t), t.shape, Array.from<number | bigint>(t.data));
}
