import { describe, expect, it } from "vitest";
import { ternaryLayout } from "../../ir/families/contract/weights.js";
import type { UnpackTritsParams } from "../../ir/families/unpack-trits.js";
import type { Activation } from "../../ir/ops/linears.js";
import { quantizeRow } from "../../ir/ternary/quantize.js";
import type { Device } from "../../runtime/device.js";
import { defineKernel, type KernelDefinition } from "../../templates/index.js";
import type { Tolerance } from "./compare.js";
import { expectOut as expectOutOn } from "./expect-out.js";
import { activate, GEMM_SHAPES, product, storedCodes } from "./gemm.js";
import type { KernelDevices } from "./kernel-devices.js";
import { type Data, type LaunchRequest, matrix, output, runLaunch, vector } from "./launch.js";
import { randomFloats, randomInts } from "./random.js";
import { floatLaunch, int8Launch } from "./ternary-launch.js";

const ACTIVATIONS: readonly Activation[] = ["none", "silu", "gelu-tanh", "gelu-erf"];

/** Every ternary gemm of a target against sums in double precision; integer accumulators exactly. */
export function gemmSuite(kernelDevices: KernelDevices): void {
  const { target, devices } = kernelDevices;
  const first = (): Device => Object.values(devices())[0]!;

  const expectOut = (
    definition: KernelDefinition,
    request: LaunchRequest,
    expected: ArrayLike<number>,
    tolerance?: Tolerance,
  ) => expectOutOn(kernelDevices, definition, request, expected, tolerance);

  async function unpacked(
    codes: Int8Array,
    params: UnpackTritsParams,
    device: Device = first(),
  ): Promise<Data> {
    const { n, k, storage } = params;
    const { weights } = await runLaunch(device, defineKernel("unpack-trits", params, target), {
      rows: n,
      args: {
        trits: storedCodes(codes, n, k, storage),
        weights: output(1, ternaryLayout(params).words[target.language]),
      },
      grid: [n, 1, 1],
    });
    return weights!;
  }

  async function ternaryWeights(n: number, k: number, activations: "i8" | "f32") {
    const codes = Int8Array.from(randomInts(n * 31 + k, n * k, -1, 1));
    return { codes, weights: await unpacked(codes, { n, k, activations }) };
  }

  describe.each(["i8", "f32"] as const)("unpack-trits for %s rows", (activations) => {
    it.each(GEMM_SHAPES)("makes the same of 2-bit codes as of trits: $n x $k", async ({ n, k }) => {
      const codes = Int8Array.from(randomInts(n + k, n * k, -1, 1));
      const layout = { n, k, activations };
      const wanted = await unpacked(codes, layout);
      for (const device of Object.values(devices())) {
        expect(await unpacked(codes, { ...layout, storage: "2bit" }, device)).toEqual(wanted);
      }
    });
  });

  describe("ternary-gemm with int8 rows", () => {
    it.each(GEMM_SHAPES)("accumulates exactly: $m x $n x $k", async ({ m, n, k }) => {
      const { codes, weights } = await ternaryWeights(n, k, "i8");
      const { q, kPad, rowSum } = quantized(randomFloats(1, m * k), m, k);
      // Extreme codes in one row: the largest sums that partial sums meet.
      q.subarray(0, k).fill(127);
      rowSum[0] = 127 * k;
      const expected = product(q, codes, m, n, k, kPad);
      const params = { n, k, activations: "i8", activation: "none", bias: false, gated: false } as const;
      const request = int8Launch({ m, n, k }, { q, kPad, rowSum }, weights);
      await expectOut(defineKernel("ternary-gemm", params, target), request, expected);
    });

    it.each(ACTIVATIONS)("applies scale, bias, %s, gate and residual", async (activation) => {
      const { m, n, k } = GEMM_SHAPES[1];
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
    it.each(GEMM_SHAPES)("multiplies ternary weights: $m x $n x $k", async ({ m, n, k }) => {
      const { codes, weights } = await ternaryWeights(n, k, "f32");
      const x = randomFloats(7, m * k);
      const { request, finished, tolerance } = floatLaunch({ m, n, k }, x, weights);
      const expected = product(x, codes, m, n, k, k).map(finished);
      const params = { n, k, activations: "f32", activation: "silu", bias: true, gated: false } as const;
      await expectOut(defineKernel("ternary-gemm", params, target), request, expected, tolerance);
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
