import { describe, expect, it } from "vitest";
import type { Activation } from "../../ir/graph/ops.js";
import { quantizeRow } from "../../ir/ternary/quantize.js";
import type { Device } from "../../runtime/device.js";
import { defineKernel, deviceWeightWords, type KernelDefinition } from "../../templates/index.js";
import { expectClose, type Tolerance } from "./compare.js";
import { activate, packTrits } from "./gemm.js";
import type { KernelDevices } from "./kernel-devices.js";
import { type Data, type LaunchRequest, matrix, output, runLaunch, vector } from "./launch.js";
import { randomFloats, randomInts } from "./random.js";

const SHAPES = [
  { m: 4, n: 3, k: 5 },
  { m: 1, n: 8, k: 16 },
  { m: 9, n: 65, k: 33 },
  { m: 70, n: 72, k: 300 },
  // Rows in groups of every size, half a panel of channels, k that ends just behind a block of 256.
  { m: 7, n: 20, k: 514 },
  // Large enough for kernels of unrolled loops.
  { m: 3, n: 1030, k: 1040 },
] as const;
const ACTIVATIONS: readonly Activation[] = ["none", "silu", "gelu-tanh", "gelu-erf"];

/** Every gemm of a target against sums in double precision; integer accumulators exactly. */
export function gemmSuite({ target, devices, sameBits }: KernelDevices): void {
  const first = (): Device => Object.values(devices())[0]!;

  /** Runs the kernel on every device and compares what it writes to `out`, [m, n]. */
  async function expectOut(
    definition: KernelDefinition,
    request: LaunchRequest,
    expected: ArrayLike<number>,
    tolerance?: Tolerance,
  ): Promise<void> {
    let before: Data | undefined;
    for (const device of Object.values(devices())) {
      const { out } = await runLaunch(device, definition, request);
      expectClose(out, expected, request.grid[0], tolerance);
      if (sameBits && before !== undefined) expect(out).toEqual(before);
      before = out;
    }
  }

  async function ternaryWeights(n: number, k: number, activations: "i8" | "f32") {
    const codes = Int8Array.from(randomInts(n * 31 + k, n * k, -1, 1));
    const layout = { n, k, activations };
    const { weights } = await runLaunch(first(), defineKernel("unpack-trits", layout, target), {
      rows: n,
      args: {
        trits: matrix(packTrits(codes, n, k), n, Math.ceil(k / 5)),
        weights: output(1, deviceWeightWords("ternary-gemm", layout, target)),
      },
      grid: [n, 1, 1],
    });
    return { codes, weights: weights! };
  }

  describe("ternary-gemm with int8 rows", () => {
    it.each(SHAPES)("accumulates exactly: $m x $n x $k", async ({ m, n, k }) => {
      const { codes, weights } = await ternaryWeights(n, k, "i8");
      const { q, kPad, rowSum } = quantized(randomFloats(1, m * k), m, k);
      // Extreme codes in one row: the largest sums that partial sums meet.
      q.subarray(0, k).fill(127);
      rowSum[0] = 127 * k;
      const expected = product(q, codes, m, n, k, kPad);
      const params = { n, k, activations: "i8", activation: "none", bias: false, gated: false } as const;
      const request = {
        rows: m,
        args: {
          q: matrix(q, m, kPad, { rowStride: kPad + 16, offset: 16 }),
          rowScale: matrix(new Float32Array(m).fill(1), m, 1),
          rowSum: matrix(rowSum, m, 1, { offset: 4 }),
          weights: vector(weights),
          scales: vector(new Float32Array(n).fill(1)),
          out: output(m, n, { rowStride: n + 3, offset: 8 }),
        },
        grid: [n, m, 1],
      } as const;
      await expectOut(defineKernel("ternary-gemm", params, target), request, expected);
    });

    it.each(ACTIVATIONS)("applies scale, bias, %s, gate and residual", async (activation) => {
      const { m, n, k } = SHAPES[1];
      const { codes, weights } = await ternaryWeights(n, k, "i8");
      const { q, kPad, rowScale, rowSum } = quantized(randomFloats(2, m * k), m, k);
      const [scales, bias, gate] = [randomFloats(3, n, 0.2), randomFloats(4, n), randomFloats(5, n)];
      const residual = randomFloats(6, m * n);
      const expected = product(q, codes, m, n, k, kPad).map((sum, i) => {
        const [r, o] = [Math.floor(i / n), i % n];
        const y = activate(sum * rowScale[r]! * scales[o]! + bias[o]!, activation);
        return residual[i]! + gate[o]! * y;
      });
      const params = { n, k, activations: "i8", activation, bias: true, gated: true } as const;
      const definition = defineKernel("ternary-gemm", params, target);
      const request = {
        rows: m,
        args: {
          q: matrix(q, m, kPad),
          rowScale: matrix(rowScale, m, 1, { rowStride: 2 }),
          rowSum: matrix(rowSum, m, 1),
          weights: vector(weights),
          scales: vector(scales),
          // WGSL binds it as a uniform array: nine arguments are too many storage buffers.
          bias: { ...matrix(bias, 1, n, { offset: 3 }), launchStride: 0 },
          gate: vector(gate),
          residual: matrix(residual, m, n, { rowStride: n + 4 }),
          out: output(m, n),
        },
        grid: [n, m, 1],
      } as const;
      await expectOut(definition, request, expected, { absolute: 1e-5, relative: 2e-6 });
    });
  });

  describe("gemm with f32 rows", () => {
    it.each(SHAPES)("multiplies ternary weights: $m x $n x $k", async ({ m, n, k }) => {
      const { codes, weights } = await ternaryWeights(n, k, "f32");
      const x = randomFloats(7, m * k);
      const [scales, bias] = [randomFloats(8, n, 0.2), randomFloats(9, n)];
      const expected = product(x, codes, m, n, k, k).map((y, i) =>
        activate(y * scales[i % n]! + bias[i % n]!, "silu"),
      );
      const params = { n, k, activations: "f32", activation: "silu", bias: true, gated: false } as const;
      const request = {
        rows: m,
        args: {
          x: matrix(x, m, k, { rowStride: k + 5, offset: 7 }),
          weights: vector(weights),
          scales: vector(scales),
          bias: vector(bias),
          out: output(m, n, { rowStride: n + 1 }),
        },
        grid: [n, m, 1],
      } as const;
      await expectOut(defineKernel("ternary-gemm", params, target), request, expected, {
        absolute: 1e-5 * Math.sqrt(k),
        relative: 1e-5,
      });
    });

    it.each(SHAPES)("multiplies dense weights: $m x $n x $k", async ({ m, n, k }) => {
      const w = randomFloats(10, n * k);
      const { weights } = await runLaunch(
        first(),
        defineKernel("unpack-dense", { n, k, source: "f32" }, target),
        {
          rows: n,
          args: {
            source: matrix(new Uint8Array(w.buffer), n, 4 * k),
            weights: output(1, deviceWeightWords("dense-gemm", { n, k }, target)),
          },
          grid: [n, 1, 1],
        },
      );
      const x = randomFloats(11, m * k);
      const [bias, gate, residual] = [randomFloats(12, n), randomFloats(13, m * n), randomFloats(14, m * n)];
      const expected = product(x, w, m, n, k, k).map(
        (y, i) => residual[i]! + gate[i]! * activate(y + bias[i % n]!, "gelu-tanh"),
      );
      const params = { n, k, activation: "gelu-tanh", bias: true, gated: true } as const;
      const request = {
        rows: m,
        args: {
          x: matrix(x, m, k, { rowStride: k + 5, offset: 7 }),
          weights: vector(weights!),
          bias: vector(bias),
          gate: matrix(gate, m, n),
          residual: matrix(residual, m, n),
          out: output(m, n, { rowStride: n + 1 }),
        },
        grid: [n, m, 1],
      } as const;
      await expectOut(defineKernel("dense-gemm", params, target), request, expected, {
        absolute: 1e-5 * Math.sqrt(k),
        relative: 1e-5,
      });
    });

    it.each(["f16", "bf16"] as const)("widens %s weights exactly", async (source) => {
      const [n, k] = [5, 7];
      // Powers of two and their negatives: exact in every format.
      const bits = source === "f16" ? [0x3c00, 0xc000, 0x3800, 0x0001] : [0x3f80, 0xc000, 0x3f00, 0x3380];
      const values = [1, -2, 0.5, 2 ** -24];
      const halves = Uint16Array.from({ length: n * k }, (_, i) => bits[i % 4]!);
      const { weights } = await runLaunch(first(), defineKernel("unpack-dense", { n, k, source }, target), {
        rows: n,
        args: {
          source: matrix(new Uint8Array(halves.buffer), n, 2 * k),
          weights: output(1, deviceWeightWords("dense-gemm", { n, k }, target)),
        },
        grid: [n, 1, 1],
      });
      const identity = Float32Array.from({ length: k * k }, (_, i) => (i % (k + 1) === 0 ? 1 : 0));
      const params = { n, k, activation: "none", bias: false, gated: false } as const;
      const { out } = await runLaunch(first(), defineKernel("dense-gemm", params, target), {
        rows: k,
        args: { x: matrix(identity, k, k), weights: vector(weights!), out: output(k, n) },
        grid: [n, k, 1],
      });
      // Adapters may flush subnormals of their own, but 2^-24 is none in f32.
      expect([...out!]).toEqual(
        Array.from({ length: k * n }, (_, i) => values[((i % n) * k + Math.floor(i / n)) % 4]),
      );
    });
  });
}

/** Rows as quantize-rows makes them. */
function quantized(x: Float32Array, m: number, k: number) {
  const kPad = Math.ceil(k / 16) * 16;
  const q = new Int8Array(m * kPad);
  const rowScale = new Float32Array(m);
  const rowSum = new Int32Array(m);
  for (let r = 0; r < m; r++) {
    const row = quantizeRow(x.subarray(r * k, (r + 1) * k), q.subarray(r * kPad, r * kPad + k));
    rowScale[r] = row.scale;
    rowSum[r] = row.sum;
  }
  return { q, kPad, rowScale, rowSum };
}

/** x · wᵀ in double precision; x has rows of `stride`. */
function product(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  m: number,
  n: number,
  k: number,
  stride: number,
): Float64Array {
  const y = new Float64Array(m * n);
  for (let r = 0; r < m; r++) {
    for (let o = 0; o < n; o++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += x[r * stride + i]! * w[o * k + i]!;
      y[r * n + o] = sum;
    }
  }
  return y;
}
