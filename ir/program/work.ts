import { type Bindings, evaluateDim } from "../dim.js";
import { byteLength } from "../dtype.js";
import { type Footprint, footprintOf, type LaunchNumbers } from "./footprint.js";
import type { Kernel, Launch, Program, ProgramBuffer } from "./program.js";

/** What operations are made in: matrix products by what is multiplied, everything else is f32. */
export type Arithmetic = "int8" | "bf16" | "f32";

/** Operations and bytes moved; a multiplication and an addition are two operations. */
export interface Work {
  readonly operations: Readonly<Record<Arithmetic, number>>;
  /** Bytes that a launch has to read at least once. */
  readonly readBytes: number;
  /** Bytes that it writes. */
  readonly writtenBytes: number;
}

export interface LaunchWork extends Work {
  readonly label: string;
  readonly kernel: string;
  readonly family: string;
}

/**
 * Operations per element of the result of kernels that multiply no matrices, from the definitions in their
 * `ir/families/<family>.ts`; a root or an exponential counts as one. Epilogues of matrix products are not counted.
 */
const PER_ELEMENT: Readonly<Record<string, number>> = {
  // mean 1, variance 3, normalize 2, modulate 3
  adaln: 9,
  // and quantize: magnitude and maximum 2, scale and round 2, sum 1
  "adaln-quantize": 14,
  "quantize-rows": 5,
  // sum of squares 2, two factors 2, rotation 3
  "qk-norm-rope": 7,
  // mean 1, variance 3, normalize 2, weight and bias 2
  "layer-norm": 8,
  // angle 2, function 1
  "rope-table": 3,
  "timestep-embedding": 3,
  // maximum, difference, exponential, sum, quotient
  softmax: 5,
  elementwise: 1,
  "euler-step": 2,
};

/** The work of launches, in order. */
export function launchWork(
  program: Program,
  launches: readonly Launch[],
  bindings: Bindings,
): readonly LaunchWork[] {
  const counter = new WorkCounter(program, bindings);
  return launches.map((launch) => counter.work(launch));
}

/** The sum of several works. */
export function totalWork(works: readonly Work[]): Work {
  const sum = (of: (work: Work) => number) => works.reduce((total, work) => total + of(work), 0);
  return {
    operations: {
      int8: sum(({ operations }) => operations.int8),
      bf16: sum(({ operations }) => operations.bf16),
      f32: sum(({ operations }) => operations.f32),
    },
    readBytes: sum((work) => work.readBytes),
    writtenBytes: sum((work) => work.writtenBytes),
  };
}

/** Operations and bytes per second; null where they are not known. */
export interface DeviceRates {
  readonly int8: number | null;
  readonly bf16: number | null;
  readonly bytes: number | null;
}

/**
 * Seconds that launches take at least, one after the other: each the longer of its operations at the peak rate of matrix
 * instructions and its bytes at the memory's. f32 counts at the bf16 rate, which it never exceeds. Null where a rate that
 * is needed is not known.
 */
export function timeFloor(works: readonly Work[], rates: DeviceRates): number | null {
  let seconds = 0;
  for (const { operations, readBytes, writtenBytes } of works) {
    const float = operations.bf16 + operations.f32;
    if (rates.bytes === null || (operations.int8 > 0 && rates.int8 === null)) return null;
    if (float > 0 && rates.bf16 === null) return null;
    const arithmetic = operations.int8 / (rates.int8 ?? 1) + float / (rates.bf16 ?? 1);
    seconds += Math.max(arithmetic, (readBytes + writtenBytes) / rates.bytes);
  }
  return seconds;
}

class WorkCounter {
  readonly #buffers: ReadonlyMap<string, ProgramBuffer>;
  readonly #kernels: ReadonlyMap<string, Kernel>;
  readonly #footprints = new Map<Kernel, Footprint>();

  constructor(
    program: Program,
    private readonly bindings: Bindings,
  ) {
    this.#buffers = new Map(program.buffers.map((buffer) => [buffer.id, buffer]));
    this.#kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  }

  work(launch: Launch): LaunchWork {
    const kernel = this.#kernels.get(launch.kernel);
    if (kernel === undefined) throw new RangeError(`the program has no kernel ${launch.kernel}`);
    const value = (dim: Launch["rows"]) => evaluateDim(dim, this.bindings);
    const numbers: LaunchNumbers = {
      rows: value(launch.rows),
      scalars: launch.scalars.map(value),
      rowStrides: launch.args.map((arg) => value(arg.rowStride)),
    };
    const footprint = this.#footprints.get(kernel) ?? footprintOf(kernel);
    this.#footprints.set(kernel, footprint);
    let [readBytes, writtenBytes, results] = [0, 0, 0];
    for (const [i, arg] of launch.args.entries()) {
      const buffer = this.#buffers.get(arg.buffer);
      const access = kernel.args[i]?.access;
      if (buffer === undefined) continue;
      const elements = footprint.elements[i]?.(numbers) ?? 0;
      const bytes = byteLength(buffer.dtype, elements);
      if (access !== "write") readBytes += bytes;
      if (access !== "read") {
        writtenBytes += bytes;
        results = Math.max(results, elements);
      }
    }
    const { label } = launch;
    const operations = operationsOf(kernel, numbers, results);
    return { label, kernel: kernel.id, family: kernel.family, operations, readBytes, writtenBytes };
  }
}

function operationsOf(kernel: Kernel, launch: LaunchNumbers, results: number): Work["operations"] {
  const none = { int8: 0, bf16: 0, f32: 0 };
  const size = (name: string) => Number(kernel.params[name] ?? 0);
  const scalar = (i: number) => launch.scalars[i] ?? 0;
  const { family, params } = kernel;
  switch (family) {
    case "ternary-gemm": {
      const arithmetic =
        params.activations === "i8" ? "int8" : params.activations === "bf16" ? "bf16" : "f32";
      return { ...none, [arithmetic]: 2 * launch.rows * size("n") * size("k") };
    }
    case "dense-gemm":
      return { ...none, f32: 2 * launch.rows * size("n") * size("k") };
    case "matmul":
      return { ...none, f32: 2 * scalar(0) * scalar(1) * scalar(2) * scalar(3) };
    case "attention": {
      const product = 2 * launch.rows * scalar(0) * size("heads") * size("headDim");
      if (params.storage !== "bf16") return { ...none, f32: 2 * product };
      return params.int8 === true
        ? { ...none, int8: product, bf16: product }
        : { ...none, bf16: 2 * product };
    }
    case "reduce":
      return { ...none, f32: launch.rows * scalar(0) };
    default:
      return { ...none, f32: results * (PER_ELEMENT[family] ?? 0) };
  }
}
