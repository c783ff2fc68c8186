import { sizeOf } from "../../../ir/families/contract/sizes.js";
import { FAMILIES } from "../../../ir/families/index.js";
import type { TernaryGemmParams } from "../../../ir/families/ternary-gemm.js";
import type { KernelArg } from "../../../ir/program/program.js";
import type { Device } from "../../../runtime/device.js";
import type { Target } from "../../../targets/index.js";
import { defineKernel, type Family, type FamilyParams } from "../../../templates/index.js";
import { bfloatBytes, bfloatRounded } from "../bfloat.js";
import { storedCodes } from "../gemm.js";
import { type Data, type MatrixArg, matrix, output, runLaunch, vector } from "../launch.js";
import { randomFloats, randomInts } from "../random.js";

/** A launch of a family's kernels with these parameters. */
export interface Problem<F extends Family = Family> {
  readonly family: F;
  readonly params: FamilyParams[F];
  readonly rows: number;
  readonly scalars?: readonly number[];
  /** Elements from row to row beside those that rows have: rows then begin at no multiple of 16 bytes. */
  readonly apart?: number;
  /** Values of arguments by name, where random ones will not do. */
  readonly values?: Readonly<Record<string, (count: number) => Float32Array | Int32Array>>;
}

/** What every target is given the same of: values by name, rounded as arguments of the problem are stored. */
export type Values = Readonly<Record<string, Float32Array | Int32Array | Int8Array>>;

interface Shape {
  readonly arg: KernelArg;
  readonly rows: number;
  readonly columns: number;
  readonly isWeights: boolean;
  readonly repeats: boolean;
}

function shapesOf({ family, params, rows, scalars = [] }: Problem): readonly Shape[] {
  const contract = FAMILIES[family].contract(params as never);
  const launch = { rows, scalars };
  return contract.args.map((arg) => {
    // Strided arguments are as dense as rows without gaps.
    const sizes = arg.axes.map(({ size }) => sizeOf(size, launch));
    const columns = sizes.at(-1) ?? 1;
    const isWeights = arg.layout !== undefined;
    return {
      arg,
      rows: isWeights ? 1 : sizes.slice(0, -1).reduce((product, size) => product * size, 1),
      columns,
      isWeights,
      repeats: arg.repeats === true,
    };
  });
}

/** Random values of a problem's arguments, none of them 0 throughout; those of weights before they are unpacked. */
export function valuesOf(problem: Problem): Values {
  const { params, values: own = {} } = problem;
  const made: Record<string, Float32Array | Int32Array | Int8Array> = {};
  for (const [i, { arg, rows, columns, isWeights, repeats }] of shapesOf(problem).entries()) {
    if (arg.access !== "read") continue;
    const { name, dtype } = arg;
    const seed = 17 * i + 1;
    const given = own[name];
    if (isWeights) made[name] = weightValues(problem, name, seed);
    else if (given !== undefined) made[name] = given(rows * columns);
    else if (dtype === "i8") made[name] = quantized(rows, columns, (params as { k: number }).k);
    else if (name === "rowSum") made[name] = sumsOf(Int8Array.from(made.q ?? []), rows);
    else if (dtype === "i32" || dtype === "u32") made[name] = randomInts(seed, rows * columns, 0, 1);
    else {
      const floats = randomFloats(seed, (repeats ? 1 : rows) * columns);
      if (name === "rowScale") for (const [j, x] of floats.entries()) floats[j] = 0.01 + Math.abs(x) / 100;
      made[name] = dtype === "bf16" ? bfloatRounded(floats) : floats;
    }
  }
  return made;
}

function quantized(rows: number, columns: number, k: number): Int8Array {
  const codes = Int8Array.from(randomInts(2, rows * columns, -127, 127));
  return codes.map((code, i) => (i % columns < k ? code : 0));
}

function sumsOf(codes: Int8Array, rows: number): Int32Array {
  const columns = codes.length / rows;
  return Int32Array.from({ length: rows }, (_, r) =>
    codes.subarray(r * columns, (r + 1) * columns).reduce((sum, x) => sum + x, 0),
  );
}

/** Sizes of a matrix of weights. */
function matrixOf({ family, params }: Problem, name: string): { readonly n: number; readonly k: number } {
  const layout = FAMILIES[family].contract(params as never).args.find((arg) => arg.name === name)?.layout;
  const [n = 0, k = 0] = (/(\d+) x (\d+)/.exec(layout?.name ?? "") ?? []).slice(1).map(Number);
  return { n, k };
}

function weightValues(problem: Problem, name: string, seed: number): Float32Array | Int8Array {
  const { n, k } = matrixOf(problem, name);
  if (problem.family === "ternary-gemm" && name === "weights") {
    return Int8Array.from(randomInts(seed, n * k, -1, 1));
  }
  return randomFloats(seed, n * k, name === "scales" ? 0.1 : 1);
}

/** A matrix of weights in the layout of a target, as its own kernels make it. */
async function unpacked(
  problem: Problem,
  name: string,
  values: Values[string],
  device: Device,
  target: Target,
): Promise<Data> {
  const { n, k } = matrixOf(problem, name);
  const { language } = target;
  const layout = FAMILIES[problem.family]
    .contract(problem.params as never)
    .args.find((arg) => arg.name === name)?.layout;
  const weights = output(1, layout?.words[language] ?? 0);
  if (values instanceof Int8Array) {
    const { activations } = problem.params as TernaryGemmParams;
    const { weights: made } = await runLaunch(
      device,
      defineKernel("unpack-trits", { n, k, activations }, target),
      { rows: n, args: { trits: storedCodes(values, n, k), weights }, grid: [n, 1, 1] },
    );
    return made ?? new Uint32Array();
  }
  const source = matrix(new Uint8Array(values.slice().buffer), n, 4 * k);
  const { weights: made } = await runLaunch(
    device,
    defineKernel("unpack-dense", { n, k, source: "f32" }, target),
    { rows: n, args: { source, weights }, grid: [n, 1, 1] },
  );
  return made ?? new Float32Array();
}

/** The arguments of a launch on a device of a target; weights are unpacked there. */
export async function argumentsOf(
  problem: Problem,
  values: Values,
  device: Device,
  target: Target,
): Promise<Readonly<Record<string, MatrixArg>>> {
  const args: Record<string, MatrixArg> = {};
  const { apart = 0 } = problem;
  for (const { arg, rows, columns, isWeights, repeats } of shapesOf(problem)) {
    const { name, dtype, byRow } = arg;
    // Quantized rows have a place that starts at multiples of 16 bytes.
    const place =
      byRow && apart > 0 && dtype !== "i8" ? { rowStride: columns + apart, offset: 16 + apart } : {};
    if (arg.access !== "read") {
      args[name] = output(rows, columns, place);
      continue;
    }
    const own = values[name];
    if (own === undefined) throw new Error(`no values for ${name}`);
    if (isWeights) args[name] = vector(await unpacked(problem, name, own, device, target));
    else if (repeats) args[name] = vector(own);
    else args[name] = matrix(dtype === "bf16" ? bfloatBytes(own) : own, rows, columns, place);
  }
  return args;
}

/** What the grid of a problem's launches covers. */
export function gridSizes({
  family,
  params,
  rows,
  scalars = [],
}: Problem): readonly [number, number, number] {
  const [x, y, z] = FAMILIES[family].contract(params as never).grid;
  const launch = { rows, scalars };
  return [sizeOf(x, launch), sizeOf(y, launch), sizeOf(z, launch)];
}
