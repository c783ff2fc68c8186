import { describe, expect, it } from "vitest";
import { denseLayout, ternaryLayout } from "../../ir/families/contract/weights.js";
import type { TernaryActivations, TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import { type GroupSize, groupsOf } from "../../ir/ternary/groups.js";
import { defineKernel, type KernelDefinition } from "../../templates/index.js";
import { bfloatBytes, bfloatRounded, bfloatValues } from "./bfloat.js";
import { expectClose, type Tolerance } from "./compare.js";
import { activate, packTrits, product } from "./gemm.js";
import type { KernelDevices } from "./kernel-devices.js";
import {
  type Data,
  type LaunchRequest,
  type MatrixArg,
  matrix,
  output,
  runLaunch,
  vector,
} from "./launch.js";
import { randomFloats, randomInts } from "./random.js";

interface Shape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

export interface CudaGemmOptions {
  readonly kernelDevices: KernelDevices;
  /** Around the tiles of the kernels. */
  readonly shapes: readonly Shape[];
  /** Rows to test, by default both. */
  readonly activations?: readonly ("i8" | "bf16")[];
  /** Each so many inputs of a channel have a scale, which is the channel's: fewer than any shape's k, 72 and 152. */
  readonly group?: GroupSize;
  /** The kernel to test; by default the one that the target takes. */
  readonly define?: (params: TernaryGemmParams) => KernelDefinition;
}

/** Gate, residual and out with rows this much apart beyond their length; activations and storage. */
const EPILOGUES = [
  { activation: "none", out: "f32", gated: true, padding: 0, gateRows: false },
  { activation: "silu", out: "bf16", gated: true, padding: 1, gateRows: true },
  { activation: "gelu-tanh", out: "bf16", gated: false, padding: 0, gateRows: false },
  { activation: "gelu-erf", out: "f32", gated: false, padding: 0, gateRows: false },
  { activation: "gelu-tanh", out: "bf16", gated: false, padding: 3, gateRows: false },
  { activation: "none", out: "bf16", gated: true, padding: 4, gateRows: true },
] as const;

const HEADS = [
  { m: 70, n: 384, headDim: 128, columns: 256, out: "bf16" },
  { m: 131, n: 96, headDim: 16, columns: 64, out: "f32" },
  { m: 5, n: 48, headDim: 8, columns: 48, out: "f32" },
] as const;

const PLAIN = { activation: "none", bias: false, gated: false } as const;

/** What CUDA's ternary gemms have besides that of `gemmSuite`: bf16 rows and results, aligned and unaligned rows, heads. */
export function cudaGemmSuite({
  kernelDevices,
  shapes,
  activations: tested = ["i8", "bf16"],
  group,
  define,
}: CudaGemmOptions): void {
  const { target } = kernelDevices;
  const devices = () => Object.values(kernelDevices.devices());
  const defined = define ?? ((params: TernaryGemmParams) => defineKernel("ternary-gemm", params, target));

  async function ternaryWeights(n: number, k: number, activations: TernaryActivations) {
    const codes = Int8Array.from(randomInts(n * 31 + k, n * k, -1, 1));
    const layout = { n, k, activations };
    const { weights } = await runLaunch(devices()[0]!, defineKernel("unpack-trits", layout, target), {
      rows: n,
      args: {
        trits: matrix(packTrits(codes, n, k), n, Math.ceil(k / 5)),
        weights: output(1, ternaryLayout(layout).words[target.language]),
      },
      grid: [n, 1, 1],
    });
    return { codes, weights: vector(weights!) };
  }

  /** Rows that a kernel multiplies, and y = x·tᵀ before the channels' scales. */
  async function multiplied(activations: "i8" | "bf16", { m, n, k }: Shape) {
    const { codes, weights } = await ternaryWeights(n, k, activations);
    if (activations === "bf16") {
      const x = bfloatRounded(randomFloats(3, m * k));
      return { args: { x: matrix(bfloatBytes(x), m, k), weights }, y: product(x, codes, m, n, k, k) };
    }
    const { q, kPad, rowSum } = quantizedRows(2, m, k);
    const rowScale = randomFloats(3, m, 0.02);
    const y = product(q, codes, m, n, k, kPad).map((sum, i) => sum * rowScale[Math.floor(i / n)]!);
    const args = {
      q: matrix(q, m, kPad),
      rowScale: matrix(rowScale, m, 1, { rowStride: 2 }),
      rowSum: matrix(rowSum, m, 1),
      weights,
    };
    return { args, y };
  }

  /** On every device, and on all of them to the bit the same. */
  async function expectOut(
    rowParams: TernaryGemmParams,
    m: number,
    rowArgs: LaunchRequest["args"],
    expected: ArrayLike<number>,
    tolerance?: Tolerance,
  ): Promise<void> {
    const params = group === undefined ? rowParams : { ...rowParams, group };
    const args = group === undefined ? rowArgs : withGroups(params, group, rowArgs);
    let before: Data | undefined;
    for (const device of devices()) {
      const { out } = await runLaunch(device, defined(params), { rows: m, args, grid: [params.n, m, 1] });
      expectClose(params.out === "bf16" ? bfloatValues(out!) : out, expected, params.n, tolerance);
      if (before !== undefined) expect(out).toEqual(before);
      before = out;
    }
  }

  async function exact({ m, n, k }: Shape, padding: number): Promise<void> {
    const { codes, weights } = await ternaryWeights(n, k, "i8");
    const { q, kPad, rowSum } = quantizedRows(1, m, k);
    const args = {
      q: matrix(q, m, kPad, { rowStride: kPad + 16, offset: 16 }),
      rowScale: matrix(new Float32Array(m).fill(1), m, 1),
      rowSum: matrix(rowSum, m, 1, { offset: 4 }),
      weights,
      scales: vector(new Float32Array(n).fill(1)),
      out: output(m, n, { rowStride: n + padding, offset: 8 }),
    };
    await expectOut({ ...PLAIN, n, k, activations: "i8" }, m, args, product(q, codes, m, n, k, kPad));
  }

  async function close({ m, n, k }: Shape, offset: number, rowStride: number): Promise<void> {
    const { codes, weights } = await ternaryWeights(n, k, "bf16");
    const x = bfloatRounded(randomFloats(20, m * k));
    const scales = randomFloats(21, n, 0.2);
    const expected = product(x, codes, m, n, k, k).map((sum, i) => sum * scales[i % n]!);
    const args = {
      x: matrix(bfloatBytes(x), m, k, { rowStride, offset }),
      weights,
      scales: vector(scales),
      out: output(m, n),
    };
    const tolerance = { absolute: 1e-5 * Math.sqrt(k), relative: 1e-5 };
    await expectOut({ ...PLAIN, n, k, activations: "bf16" }, m, args, expected, tolerance);
  }

  const sums = {
    i8() {
      it.each(shapes)("into aligned rows: $m x $n x $k", (shape) => exact(shape, (4 - (shape.n % 4)) % 4));
      it.each(shapes)("into rows of any alignment: $m x $n x $k", (shape) =>
        exact(shape, shape.n % 2 === 0 ? 3 : 2),
      );
    },
    bf16() {
      it.each(shapes)("aligned: $m x $n x $k", (shape) => close(shape, 16, Math.ceil(shape.k / 8) * 8 + 8));
      it.each(shapes)("of any alignment: $m x $n x $k", (shape) =>
        close(shape, 7, shape.k % 2 === 0 ? shape.k + 3 : shape.k + 2),
      );
    },
  };

  describe.each(tested)("%s rows", (activations) => {
    describe("sums", sums[activations]);

    it.each(EPILOGUES)(
      "$activation, gate $gated, $out rows with padding $padding",
      async ({ activation, out, gated, padding, gateRows }) => {
        const shape = { m: 150, n: 328, k: 152 };
        const { m, n, k } = shape;
        const { args, y } = await multiplied(activations, shape);
        const [scales, bias] = [randomFloats(4, n, 0.2), randomFloats(5, n)];
        const residual = randomFloats(6, m * n);
        const gate = randomFloats(7, gateRows ? m * n : n);
        const expected = y.map((sum, i) => {
          const active = activate(sum * scales[i % n]! + bias[i % n]!, activation);
          return gated ? residual[i]! + gate[i % gate.length]! * active : active;
        });
        const rowStride = n + padding;
        const more: Readonly<Record<string, MatrixArg>> = {
          scales: vector(scales),
          bias: { ...matrix(bias, 1, n, { offset: 3 }), launchStride: 0 },
          gate: gateRows ? matrix(gate, m, n, { rowStride }) : vector(gate),
          residual: matrix(residual, m, n, { rowStride }),
          out: output(m, n, { rowStride }),
        };
        const params = { n, k, activations, activation, bias: true, gated, out };
        const relative = out === "bf16" ? 2 ** -8 : 2e-6;
        await expectOut(params, m, { ...args, ...more }, expected, { absolute: 4e-5, relative });
      },
    );

    it.each(HEADS)("heads of $headDim: $m x $n", async ({ m, n, headDim, columns, out }) => {
      const k = 72;
      const { args, y } = await multiplied(activations, { m, n, k });
      const [scales, bias] = [randomFloats(10, n, 0.2), randomFloats(11, n)];
      const headWeights = randomFloats(12, 2 * headDim);
      const [cos, sin] = [randomFloats(13, (m * headDim) / 2), randomFloats(14, (m * headDim) / 2)];
      const heads = { headDim, columns, epsilon: 1e-6 };
      const expected = withHeads(
        y.map((sum, i) => sum * scales[i % n]! + bias[i % n]!),
        n,
        heads,
        { headWeights, cos, sin },
      );
      const more: Readonly<Record<string, MatrixArg>> = {
        scales: vector(scales),
        bias: vector(bias),
        headWeights: vector(headWeights),
        cos: matrix(cos, m, headDim / 2, { rowStride: headDim / 2 + 1 }),
        sin: matrix(sin, m, headDim / 2),
        out: output(m, n),
      };
      const params = { ...PLAIN, n, k, activations, bias: true, out, heads };
      const relative = out === "bf16" ? 2 ** -8 : 1e-5;
      await expectOut(params, m, { ...args, ...more }, expected, { absolute: 1e-4, relative });
    });
  });
}

/** A channel's scale for each of its groups, as `[block of 64 channels][group][64]`; there are no row sums. */
function withGroups(
  { n, k }: TernaryGemmParams,
  group: GroupSize,
  { rowSum: _, scales, ...args }: LaunchRequest["args"],
): LaunchRequest["args"] {
  const groups = groupsOf(k, group);
  const words = new Float32Array(denseLayout({ n, k: groups }).words.cuda);
  const given = scales?.initial ?? [];
  for (let i = 0; i < words.length; i++) {
    words[i] = Number(given[Math.floor(i / (64 * groups)) * 64 + (i % 64)] ?? Number.NaN);
  }
  return { ...args, scales: vector(words) };
}

/** Random int8 rows in the padded form of quantize-rows, with row sums; extreme codes in the first one. */
function quantizedRows(seed: number, m: number, k: number) {
  const kPad = Math.ceil(k / 16) * 16;
  const codes = randomInts(seed, m * k, -127, 127);
  const q = new Int8Array(m * kPad);
  const rowSum = new Int32Array(m);
  for (let r = 0; r < m; r++) {
    for (let i = 0; i < k; i++) {
      const code = r === 0 ? 127 : codes[r * k + i]!;
      q[r * kPad + i] = code;
      rowSum[r]! += code;
    }
  }
  return { q, kPad, rowSum };
}

/** Heads of y[M, n] normalized and rotated, in double precision. */
function withHeads(
  y: Float64Array,
  n: number,
  { headDim, columns, epsilon }: NonNullable<TernaryGemmParams["heads"]>,
  tables: Readonly<Record<"headWeights" | "cos" | "sin", Float32Array>>,
): Float64Array {
  const result = y.slice();
  for (let r = 0; r < y.length / n; r++) {
    for (let first = 0; first < columns; first += headDim) {
      const head = y.subarray(r * n + first, r * n + first + headDim);
      const factor = 1 / Math.sqrt(head.reduce((sum, x) => sum + x * x, 0) / headDim + epsilon);
      const weight = tables.headWeights.subarray(first < columns / 2 ? 0 : headDim);
      for (let j = 0; j < headDim; j += 2) {
        const [x0, x1] = [head[j]! * factor * weight[j]!, head[j + 1]! * factor * weight[j + 1]!];
        const [c, s] = [tables.cos[(r * headDim + j) / 2]!, tables.sin[(r * headDim + j) / 2]!];
        result[r * n + first + j] = x0 * c - x1 * s;
        result[r * n + first + j + 1] = x1 * c + x0 * s;
      }
    }
  }
  return result;
}
