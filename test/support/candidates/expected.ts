import type { TernaryGemmParams, TernaryHeads } from "../../../ir/families/ternary-gemm.js";
import type { Device } from "../../../runtime/device.js";
import { cpu } from "../../../targets/index.js";
import { defineKernel } from "../../../templates/index.js";
import { type Data, runLaunch } from "../launch.js";
import type { Checked, Tolerance } from "./check.js";
import { argumentsOf, gridSizes, type Problem, type Values, valuesOf } from "./operands.js";

/** What only CUDA kernels have: how values are stored, and what is fused. */
const CUDA_ONLY = ["storage", "int8", "x", "out", "bf16", "heads"];

/**
 * A problem with what kernels of the `cpu` target, which are others and have tests of their own against the interpreter, make of
 * the same values.
 */
export async function checkedBy(device: Device, problem: Problem, tolerance: Tolerance): Promise<Checked> {
  const values = valuesOf(problem);
  const plain = plainOf(problem);
  const definition = defineKernel(plain.family, plain.params as never, cpu);
  const { rows, scalars = [] } = plain;
  const args = await argumentsOf(plain, values, device, cpu);
  const results = await runLaunch(device, definition, { rows, scalars, args, grid: gridSizes(plain) });
  const { heads, n } = problem.params as Partial<TernaryGemmParams>;
  const isHeads = problem.family === "ternary-gemm" && heads !== undefined && typeof heads === "object";
  return {
    problem,
    expected: isHeads ? { out: withHeads(results.out, n ?? 0, heads, values) } : results,
    tolerance,
  };
}

function plainOf(problem: Problem): Problem {
  const params = Object.fromEntries(
    Object.entries(problem.params).filter(
      ([name]) => !CUDA_ONLY.includes(name) || (name === "heads" && problem.family !== "ternary-gemm"),
    ),
  );
  if (params.activations === "bf16") params.activations = "f32";
  return { ...problem, params: params as never };
}

/** Heads of q and k of y[M, n] normalized and rotated. */
function withHeads(
  y: Data = new Float32Array(),
  n: number,
  heads: TernaryHeads,
  values: Values,
): Float64Array {
  const { headDim, columns, epsilon } = heads;
  const { headWeights = [], cos = [], sin = [] } = values;
  const at = (list: ArrayLike<number>, i: number) => list[i] ?? Number.NaN;
  const result = Float64Array.from(y);
  for (let row = 0; row < y.length / n; row++) {
    for (let first = 0; first < columns; first += headDim) {
      const head = result.slice(row * n + first, row * n + first + headDim);
      const factor = 1 / Math.sqrt(head.reduce((sum, x) => sum + x * x, 0) / headDim + epsilon);
      const weight = first < columns / 2 ? 0 : headDim;
      for (let j = 0; j < headDim; j += 2) {
        const [x0, x1] = [0, 1].map((i) => at(head, j + i) * factor * at(headWeights, weight + j + i));
        const [c, s] = [at(cos, (row * headDim + j) / 2), at(sin, (row * headDim + j) / 2)];
        result[row * n + first + j] = (x0 ?? 0) * c - (x1 ?? 0) * s;
        result[row * n + first + j + 1] = (x1 ?? 0) * c + (x0 ?? 0) * s;
      }
    }
  }
  return result;
}
