import { type Bindings, evaluateDim } from "../dim.js";
import { byteLength } from "../dtype.js";
import { axesOf, type LaunchNumbers } from "../families/contract/axes.js";
import type { Contract } from "../families/contract/family.js";
import type { Arithmetic } from "../families/contract/operations.js";
import { contractOf } from "../families/index.js";
import type { Kernel, Launch, Program, ProgramBuffer } from "./program.js";
import { elementsOf } from "./region.js";

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
  readonly rows: number;
}

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

const NONE = { int8: 0, bf16: 0, f32: 0 };

/** The work of a launch whose numbers are known, by the contract of its kernel. */
export function workOf(contract: Contract, launch: LaunchNumbers): Work {
  let [readBytes, writtenBytes, results] = [0, 0, 0];
  for (const [i, arg] of contract.args.entries()) {
    const elements = elementsOf(axesOf(arg, i, launch));
    const bytes = byteLength(arg.dtype, elements);
    if (arg.access !== "write") readBytes += bytes;
    if (arg.access !== "read") {
      writtenBytes += bytes;
      results = Math.max(results, elements);
    }
  }
  return { operations: { ...NONE, ...contract.operations({ ...launch, results }) }, readBytes, writtenBytes };
}

class WorkCounter {
  readonly #buffers: ReadonlyMap<string, ProgramBuffer>;
  readonly #kernels: ReadonlyMap<string, Kernel>;
  readonly #contracts = new Map<Kernel, Contract>();

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
    const contract = this.#contracts.get(kernel) ?? contractOf(kernel);
    if (contract === undefined) throw new RangeError(`there is no family ${kernel.family}`);
    this.#contracts.set(kernel, contract);
    const { label } = launch;
    const { family, id } = kernel;
    return { label, kernel: id, family, rows: numbers.rows, ...workOf(contract, numbers) };
  }
}
