import { narrowLayout } from "../../ir/families/contract/narrow.js";
import { denseLayout, ternaryLayout } from "../../ir/families/contract/weights.js";
import type { DenseGemmParams } from "../../ir/families/dense-gemm.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import type { Held } from "../../ir/ops/held.js";
import type { KernelConfig } from "../../ir/program/program.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import type { Device } from "../../runtime/device.js";
import { webgpu } from "../../targets/index.js";
import {
  defineKernel,
  type Family,
  type FamilyParams,
  type KernelDefinition,
} from "../../templates/index.js";
import { activate, product, storedCodes } from "./gemm.js";
import { type Data, type LaunchRequest, matrix, output, runLaunch, vector } from "./launch.js";
import { storedNarrow } from "./narrow-suite.js";
import { randomFloats, randomInts } from "./random.js";

export interface GemmSize {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** A launch of one kernel, and what it leaves in double precision. */
export interface CandidateCase {
  readonly request: LaunchRequest;
  readonly expected: Float64Array;
}

/** The kernel of a config, and no other behind it. */
export function kernelOf<F extends Family>(
  family: F,
  params: FamilyParams[F],
  config: KernelConfig,
): KernelDefinition {
  const definition = defineKernel(family, params, webgpu, [], ({ device }) =>
    device.name === "GPU" ? config : undefined,
  );
  if (JSON.stringify(definition.kernel.config) !== JSON.stringify(config))
    throw new Error(`no kernel of ${JSON.stringify(config)}`);
  return { ...definition, fallback: null };
}

async function unpackedDense(device: Device, w: Float32Array, n: number, k: number): Promise<Data> {
  const { weights } = await runLaunch(device, defineKernel("unpack-dense", { n, k, source: "f32" }, webgpu), {
    rows: n,
    args: {
      source: matrix(new Uint8Array(w.buffer, w.byteOffset, w.byteLength), n, 4 * k),
      weights: output(1, denseLayout({ n, k }).words.wgsl),
    },
    grid: [n, 1, 1],
  });
  return weights!;
}

/** Weights as a kernel reads them, and the values that they are. */
async function denseWeights(device: Device, w: Float32Array, n: number, k: number, held?: Held) {
  if (held === undefined) return { weights: await unpackedDense(device, w, n, k), values: w };
  const { bytes, values } = storedNarrow(held, w);
  const { weights } = await runLaunch(device, defineKernel("unpack-narrow", { n, k, held }, webgpu), {
    rows: n,
    args: {
      source: matrix(bytes, n, bytes.length / n),
      weights: output(1, narrowLayout({ n, k, held }).words.wgsl),
    },
    grid: [n, Math.ceil(k / 32), 1],
  });
  return { weights: weights!, values };
}

/** Rows of x where vectors of four begin, or not. */
function rowsOf(x: Float32Array, m: number, k: number, aligned: boolean) {
  const rowStride = aligned ? Math.ceil(k / 4) * 4 + 8 : k + 5;
  return matrix(x, m, k, { rowStride, offset: aligned ? 12 : 7 });
}

/** Ternary weights times int8 rows whose scales are 1, or f32 rows, with SiLU and a bias; exact integers where rows are int8 and have no groups. */
export async function ternaryCase(
  device: Device,
  { m, n, k }: GemmSize,
  { activations, group }: Pick<TernaryGemmParams, "activations" | "group">,
  rounded: (x: number) => number = (x) => x,
  aligned = true,
): Promise<CandidateCase & { readonly params: TernaryGemmParams }> {
  const codes = Int8Array.from(randomInts(n * 31 + k, n * k, -1, 1));
  const { weights } = await runLaunch(device, defineKernel("unpack-trits", { n, k, activations }, webgpu), {
    rows: n,
    args: {
      trits: storedCodes(codes, n, k),
      weights: output(1, ternaryLayout({ n, k, activations }).words.wgsl),
    },
    grid: [n, 1, 1],
  });
  const groups = group === undefined ? 1 : groupsOf(k, group);
  const scales = randomFloats(n + k, n * groups, 0.2);
  const bias = randomFloats(9, n);
  const kPad = Math.ceil(k / 16) * 16;
  const isCodes = activations === "i8";
  const x = isCodes ? Float32Array.from(randomInts(m + k, m * k, -127, 127)) : randomFloats(m + k, m * k);
  const expected = new Float64Array(m * n);
  for (let g = 0; g < groups; g++) {
    const [from, to] = [g * (group ?? k), Math.min(k, (g + 1) * (group ?? k))];
    const part = product(
      Float64Array.from(x, (value, i) => (i % k >= from && i % k < to ? rounded(value) : 0)),
      codes,
      m,
      n,
      k,
      k,
    );
    for (let i = 0; i < m * n; i++) expected[i]! += part[i]! * scales[(i % n) * groups + g]!;
  }
  const rowScale = 0.01;
  const rows = isCodes
    ? {
        q: matrix(paddedCodes(x, m, k, kPad), m, kPad, { rowStride: kPad + 16, offset: 16 }),
        rowScale: matrix(new Float32Array(m).fill(rowScale), m, 1),
        ...(group === undefined ? { rowSum: matrix(sums(x, m, k), m, 1, { offset: 4 }) } : {}),
      }
    : { x: rowsOf(x, m, k, aligned) };
  return {
    params: {
      ...{ n, k, activations, activation: "silu", bias: true, gated: false },
      ...(group === undefined ? {} : { group }),
    },
    request: {
      rows: m,
      args: {
        ...rows,
        weights: vector(weights!),
        scales: vector(group === undefined ? scales : await unpackedDense(device, scales, n, groups)),
        bias: vector(bias),
        out: output(m, n, { rowStride: n + 3, offset: 8 }),
      },
      grid: [n, m, 1],
    },
    expected: expected.map((y, i) => activate((isCodes ? rowScale : 1) * y + bias[i % n]!, "silu")),
  };
}

function paddedCodes(x: Float32Array, m: number, k: number, kPad: number): Int8Array {
  const q = new Int8Array(m * kPad);
  for (let r = 0; r < m; r++) q.set(x.subarray(r * k, (r + 1) * k), r * kPad);
  return q;
}

function sums(x: Float32Array, m: number, k: number): Int32Array {
  return Int32Array.from({ length: m }, (_, r) =>
    x.subarray(r * k, (r + 1) * k).reduce((sum, q) => sum + q, 0),
  );
}

/** Dense weights times f32 rows, with a bias, GELU, gate and residual. */
export async function denseCase(
  device: Device,
  { m, n, k }: GemmSize,
  more: Partial<DenseGemmParams> = {},
  rounded: (x: number) => number = (x) => x,
  aligned = true,
): Promise<CandidateCase & { readonly params: DenseGemmParams }> {
  const [w, x] = [randomFloats(10, n * k), randomFloats(11, m * k)];
  const [bias, gate, residual] = [randomFloats(12, n), randomFloats(13, m * n), randomFloats(14, m * n)];
  const { weights, values } = await denseWeights(device, w, n, k, more.held);
  const y = product(x.map(rounded), values.map(rounded), m, n, k, k);
  return {
    params: { n, k, activation: "gelu-tanh", bias: true, gated: true, ...more },
    request: {
      rows: m,
      args: {
        x: rowsOf(x, m, k, aligned),
        weights: vector(weights),
        bias: vector(bias),
        gate: matrix(gate, m, n),
        residual: matrix(residual, m, n),
        out: output(m, n, { rowStride: n + 1 }),
      },
      grid: [n, m, 1],
    },
    expected: y.map((sum, i) => residual[i]! + gate[i]! * activate(sum + bias[i % n]!, "gelu-tanh")),
  };
}
