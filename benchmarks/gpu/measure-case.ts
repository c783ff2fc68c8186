import type { Constant } from "../../ir/constant/constant.js";
import { evaluateDim } from "../../ir/dim.js";
import { isTernary } from "../../ir/format/encoding.js";
import { type Graph, shapeOf } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Program } from "../../ir/program/program.js";
import type { Tensor } from "../../ir/tensor.js";
import { codeRowBytes, unpackCodeRow } from "../../ir/ternary/storage.js";
import type { KernelCode } from "../../runtime/device.js";
import type { CudaDevice } from "../../runtime/node/cuda/device.js";
import type { GpuCase } from "./cases.js";
import { generator, type PlannedTensor, randomWeights, tensorBytes } from "./random-weights.js";

export interface CaseResult {
  readonly name: string;
  readonly sizes: Readonly<Record<string, number>>;
  /** Median device time of the case's kernel. */
  readonly milliseconds: number;
  readonly teraops: number;
  /** Largest difference to the interpreter on some rows, over the largest value. */
  readonly error: number;
  readonly peer: string;
}

/** A compiled case. */
export interface CaseProgram {
  readonly graph: Graph;
  readonly program: Program;
  readonly code: KernelCode;
  readonly tensors: readonly PlannedTensor[];
}

/** Rows whose results are checked: ends of tiles and of the matrix, and some between. */
const CHECKED = [0, 1, 63, 64, 127, 128, 200, 255, 256, 1000, 2047, 4000, 4095, 4607];
const WARM_UP = 5;
const REPEATS = 30;

/**
 * Runs a case on random inputs, compares some rows with the interpreter, and times its kernel.
 *
 * @param repeats timed runs; 0 checks only
 */
export async function measureCase(
  device: CudaDevice,
  { graph, program, code, tensors }: CaseProgram,
  gpuCase: GpuCase,
  sizes: Readonly<Record<string, number>>,
  repeats = REPEATS,
): Promise<CaseResult> {
  const loaded = await device.load(program, code, randomWeights(tensors));
  try {
    await loaded.bind(sizes);
    const inputs = new Map(
      program.inputs.map((port) => {
        const shape = port.shape.map((dim) => evaluateDim(dim, sizes));
        return [port.name, randomInput(port.name, shape)] as const;
      }),
    );
    for (const port of program.inputs) {
      const data = inputs.get(port.name)?.data;
      if (data instanceof Float32Array) loaded.write(port.buffer, data);
    }
    await loaded.run(["prompt", "step"], 0);
    const [port] = program.outputs;
    if (port === undefined) throw new RangeError(`${gpuCase.name} has no output`);
    const out = (await loaded.read(port.buffer)) as Float32Array;
    const rows = CHECKED.filter((row) => row < (sizes[gpuCase.rows] ?? 0));
    const error = difference(out, expectedRows(graph, inputs, tensors, gpuCase.rows, rows), rows);
    const times: number[] = [];
    for (let i = 0; i < (repeats === 0 ? 0 : WARM_UP + repeats); i++) {
      const launches = await loaded.profile(["step"], 0);
      const own = launches.filter(({ kernel }) => kernel.startsWith(gpuCase.family));
      if (i >= WARM_UP) times.push(own.reduce((sum, { milliseconds }) => sum + milliseconds, 0));
    }
    const milliseconds = times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
    const teraops = gpuCase.operations(sizes) / milliseconds / 1e9;
    return { name: gpuCase.name, sizes, milliseconds, teraops, error, peer: gpuCase.peer(sizes) };
  } finally {
    await loaded.close();
  }
}

/** Values in (−2, 2) that bf16 holds exactly, so that storing them in it changes nothing. */
function randomInput(name: string, shape: readonly number[]): Tensor {
  const next = generator(name);
  const data = Float32Array.from(
    { length: shape.reduce((a, b) => a * b, 1) },
    () => ((next() >>> 24) - 128) / 64,
  );
  return { dtype: "f32", shape, data };
}

/** The interpreter's results for these rows alone, with the weights that the device got. */
function expectedRows(
  graph: Graph,
  inputs: ReadonlyMap<string, Tensor>,
  tensors: readonly PlannedTensor[],
  symbol: string,
  rows: readonly number[],
): Float32Array {
  const constants = new Map(graph.constants);
  for (const tensor of tensors) {
    const constant = constants.get(tensor.id);
    if (constant !== undefined) constants.set(tensor.id, inMemory(tensor, constant));
  }
  const chosen = new Map(
    [...inputs].map(([name, tensor]) => {
      const byRow = shapeOf(graph, name).includes(symbol);
      return [name, byRow ? pickRows(tensor, rows) : tensor] as const;
    }),
  );
  const reader = {
    read(): Uint8Array {
      throw new Error("every weight is in memory");
    },
  };
  const results = interpret({ ...graph, constants }, chosen, { reader });
  return results.get(graph.outputs[0] ?? "")?.data as Float32Array;
}

function inMemory(tensor: PlannedTensor, { dtype, shape }: Constant): Constant {
  const stored = tensorBytes(tensor);
  if (!isTernary(tensor.encoding)) return { dtype, shape, source: { kind: "inline", bytes: stored } };
  const [n = 0, k = 0] = shape;
  const codes = new Int8Array(n * k);
  const rowBytes = codeRowBytes(tensor.encoding, k);
  for (let row = 0; row < n; row++) {
    unpackCodeRow(
      tensor.encoding,
      stored.subarray(row * rowBytes, (row + 1) * rowBytes),
      codes.subarray(row * k, (row + 1) * k),
    );
  }
  return { dtype, shape, source: { kind: "inline", bytes: new Uint8Array(codes.buffer) } };
}

function pickRows({ dtype, shape, data }: Tensor, rows: readonly number[]): Tensor {
  const columns = shape.at(-1) ?? 1;
  const picked = new Float32Array(rows.length * columns);
  for (const [i, row] of rows.entries()) {
    picked.set((data as Float32Array).subarray(row * columns, (row + 1) * columns), i * columns);
  }
  return { dtype, shape: [...shape.slice(0, -2), rows.length, columns], data: picked };
}

function difference(out: Float32Array, expected: Float32Array, rows: readonly number[]): number {
  const columns = expected.length / rows.length;
  let largest = 0;
  let worst = 0;
  for (const [i, row] of rows.entries()) {
    for (let c = 0; c < columns; c++) {
      const [a, b] = [out[row * columns + c] ?? Number.NaN, expected[i * columns + c] ?? Number.NaN];
      largest = Math.max(largest, Math.abs(b));
      // A NaN is as wrong as can be.
      worst = Math.max(worst, Number.isFinite(a - b) ? Math.abs(a - b) : Number.POSITIVE_INFINITY);
    }
  }
  return worst / largest;
}
