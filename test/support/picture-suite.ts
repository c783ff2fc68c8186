import { describe, it } from "vitest";
import { denseLayout, winogradLayout } from "../../ir/families/contract/weights.js";
import { filterSize, type ImageConvParams } from "../../ir/families/image-conv.js";
import type { Device } from "../../runtime/device.js";
import { defineKernel } from "../../templates/index.js";
import { expectClose } from "./compare.js";
import { expectOut } from "./expect-out.js";
import { activate } from "./gemm.js";
import type { KernelDevices } from "./kernel-devices.js";
import { matrix, output, runLaunch, vector } from "./launch.js";
import { randomFloats } from "./random.js";
import { tf32Rounded } from "./tf32.js";

interface Picture {
  readonly height: number;
  readonly width: number;
}

/** A convolution with its pads below and on the right. */
interface ConvCase extends Picture, Pick<ImageConvParams, "n" | "c"> {
  readonly params?: Partial<ImageConvParams>;
  readonly bottom?: number;
  readonly right?: number;
  /** Elements between the rows of operands. */
  readonly padding?: number;
}

const SAME = { kernelY: 3, kernelX: 3, stride: 1, top: 1, left: 1, upsample: 1 } as const;

const CONVS: readonly ConvCase[] = [
  // Whole tiles and vectors.
  { height: 8, width: 16, n: 64, c: 32, params: { bias: true, residual: true } },
  // Nothing divides anything.
  { height: 7, width: 9, n: 70, c: 21, params: { bias: true, residual: true }, padding: 3 },
  // A picture of one pixel, and one whose rows are shorter than the window.
  { height: 1, width: 1, n: 5, c: 3, params: { bias: true } },
  { height: 6, width: 2, n: 130, c: 7 },
  // As decoders end and encoders begin.
  { height: 11, width: 13, n: 3, c: 40, params: { bias: true } },
  { height: 9, width: 10, n: 16, c: 3, params: { bias: true }, padding: 1 },
  // Half the size: one row below, one column on the right.
  {
    height: 10,
    width: 12,
    n: 24,
    c: 20,
    params: { stride: 2, top: 0, left: 0, bias: true },
    bottom: 1,
    right: 1,
  },
  { height: 9, width: 7, n: 8, c: 16, params: { stride: 2, top: 0, left: 0 }, bottom: 1, right: 1 },
  // Twice and three times the size.
  { height: 5, width: 6, n: 33, c: 16, params: { upsample: 2, bias: true, residual: true } },
  { height: 3, width: 4, n: 9, c: 5, params: { upsample: 3, kernelY: 2, top: 0 }, bottom: 2 },
  { height: 5, width: 4, n: 20, c: 18, params: { kernelY: 1, kernelX: 1, top: 0, left: 0, residual: true } },
];

/** 3 by 3 pixels of multiples of 32 channels at a stride of 1. */
const WINOGRAD_CONVS: readonly ConvCase[] = [
  { height: 8, width: 16, n: 64, c: 32, params: { bias: true, residual: true } },
  { height: 1, width: 1, n: 5, c: 32 },
  { height: 7, width: 9, n: 70, c: 64, params: { bias: true, residual: true }, padding: 3 },
  { height: 5, width: 6, n: 33, c: 96, params: { upsample: 2, bias: true, residual: true } },
  // Squares mostly outside: more groups of them than tiles of pixels.
  { height: 2, width: 190, n: 3, c: 32, params: { bias: true } },
  { height: 33, width: 17, n: 130, c: 64 },
  { height: 3, width: 4, n: 9, c: 32, params: { top: 0, left: 2 }, bottom: 2, right: 0 },
];

const GROUPS = [
  { rows: 96, groups: 4, channels: 8, activation: "silu" },
  { rows: 1100, groups: 32, channels: 4, activation: "none" },
  { rows: 5, groups: 3, channels: 3, activation: "silu" },
  { rows: 1, groups: 1, channels: 2, activation: "none" },
  { rows: 259, groups: 5, channels: 7, activation: "silu" },
] as const;

/** Parts of rows as programs have them, and few, so that each takes many rows. */
const PARTS = [256, 3] as const;
const EPSILON = 1e-6;

/** Kernels over pictures as rows of channels, against plain loops in double precision. */
export function pictureSuite(kernelDevices: KernelDevices): void {
  const { target, devices } = kernelDevices;
  const first = (): Device => Object.values(devices())[0]!;

  describe("image-conv", () => {
    const direct = CONVS.map((conv) => ({ conv, form: {}, name: "direct", layout: denseLayout }));
    const form = { winograd: true };
    const transformed = WINOGRAD_CONVS.map((conv) => ({
      conv,
      form,
      name: "winograd",
      layout: winogradLayout,
    }));
    const tf32 = direct.map((of) => ({ ...of, name: "tf32", form: { products: "tf32" } as const }));
    const all = [
      ...direct,
      ...(target.winograd ? transformed : []),
      ...(target.language === "cuda" ? tf32 : []),
    ];
    it.each(all)("$name: $conv", async ({ conv, form, layout }) => {
      const { height, width, n, c, padding = 0 } = conv;
      const params: ImageConvParams = {
        n,
        c,
        bias: false,
        residual: false,
        ...SAME,
        ...conv.params,
        ...form,
      };
      const k = filterSize(params);
      const size = (extent: number, before: number, after: number, kernel: number) =>
        Math.floor((extent * params.upsample + before + after - kernel) / params.stride) + 1;
      const out = {
        height: size(height, params.top, conv.bottom ?? params.top, params.kernelY),
        width: size(width, params.left, conv.right ?? params.left, params.kernelX),
      };
      const rows = out.height * out.width;
      const w = randomFloats(1, n * k);
      const { weights } = await runLaunch(
        first(),
        defineKernel(
          "unpack-dense",
          { n, k, source: "f32", ...("winograd" in form ? { winograd: true } : {}) },
          target,
        ),
        {
          rows: n,
          args: {
            source: matrix(new Uint8Array(w.buffer), n, 4 * k),
            weights: output(1, layout({ n, k }).words[target.language]),
          },
          grid: [n, 1, 1],
        },
      );
      const x = randomFloats(2, height * width * c);
      const [bias, residual] = [randomFloats(3, n), randomFloats(4, rows * n)];
      const multiplied = "products" in form ? { x: tf32Rounded(x), w: tf32Rounded(w) } : { x, w };
      const expected = convolved(params, conv, out, multiplied).map(
        (y, i) => y + (params.bias ? bias[i % n]! : 0) + (params.residual ? residual[i]! : 0),
      );
      const request = {
        rows,
        args: {
          x: matrix(x, height * width, c, { rowStride: c + padding, offset: 4 + padding }),
          weights: vector(weights!),
          bias: vector(bias),
          residual: matrix(residual, rows, n, { rowStride: n + padding }),
          out: output(rows, n, { rowStride: n + padding }),
        },
        scalars: [height, width, out.height, out.width, 0],
        grid: [n, rows, 1],
      } as const;
      await expectOut(kernelDevices, defineKernel("image-conv", params, target), request, expected, {
        absolute: 1e-5 * Math.sqrt(k),
        relative: 1e-5,
      });
    });
  });

  describe("group norm of rows", () => {
    it.each(GROUPS.flatMap((group) => PARTS.map((parts) => ({ ...group, parts }))))(
      "$rows rows of $groups groups of $channels, $parts parts: moments, factors",
      async ({ rows, groups, channels, parts }) => {
        const c = groups * channels;
        // Far from 0, so that squares nearly cancel where they are not taken from the mean.
        const x = randomFloats(5, rows * c).map((v) => v + 100);
        const scale = randomFloats(6, c);
        const wanted = normalized(x, { rows, groups, channels });
        for (const device of Object.values(devices())) {
          const { out: moments } = await runLaunch(
            device,
            defineKernel("channel-moments", { c, parts }, target),
            {
              rows: parts,
              args: {
                x: matrix(x, rows, c, { rowStride: c + 1, offset: 3 }),
                out: output(parts, 2 * c, { rowStride: 2 * c + 3 }),
              },
              scalars: [rows, 0],
              grid: [c, parts, 1],
            },
          );
          const { mean, factor } = await runLaunch(
            device,
            defineKernel("group-factors", { groups, channels, parts, epsilon: EPSILON }, target),
            {
              rows: groups,
              args: {
                moments: matrix(moments!, parts, 2 * c, { rowStride: 2 * c + 1, offset: 5 }),
                scale: matrix(scale, groups, channels),
                mean: output(groups, channels),
                factor: output(groups, channels, { rowStride: channels + 2 }),
              },
              scalars: [rows],
              grid: [1, groups, 1],
            },
          );
          expectClose(
            mean,
            Array.from({ length: c }, (_, i) => wanted[Math.floor(i / channels)]!.mean),
            channels,
            { absolute: 2e-5, relative: 1e-7 },
          );
          expectClose(
            factor,
            Array.from(scale, (v, i) => v * wanted[Math.floor(i / channels)]!.inverse),
            channels,
            { absolute: 1e-7, relative: 5e-5 },
          );
        }
      },
    );

    it.each(GROUPS)("applies them to $rows rows of $groups x $channels: $activation", async (group) => {
      const { rows, activation } = group;
      const c = group.groups * group.channels;
      const [x, mean, factor, bias] = [8, 9, 10, 11].map((seed) =>
        randomFloats(seed, seed === 8 ? rows * c : c),
      );
      const expected = Array.from(x!, (v, i) =>
        activate((v - mean![i % c]!) * factor![i % c]! + bias![i % c]!, activation),
      );
      for (const padding of [0, 3]) {
        const request = {
          rows,
          args: {
            x: matrix(x!, rows, c, { rowStride: c + padding, offset: 4 + padding }),
            mean: vector(mean!),
            factor: vector(factor!),
            bias: vector(bias!),
            out: output(rows, c, { rowStride: c + padding }),
          },
          grid: [1, rows, 1],
        } as const;
        await expectOut(
          kernelDevices,
          defineKernel("group-norm", { c, activation }, target),
          request,
          expected,
          { absolute: 1e-6, relative: 1e-5 },
        );
      }
    });
  });
}

/** x ∗ w by its definition. */
function convolved(
  { n, c, kernelY, kernelX, stride, top, left, upsample }: ImageConvParams,
  { height, width }: Picture,
  out: Picture,
  { x, w }: { readonly x: Float32Array; readonly w: Float32Array },
): Float64Array {
  const sums = new Float64Array(out.height * out.width * n);
  for (let row = 0; row < out.height; row++) {
    for (let column = 0; column < out.width; column++) {
      for (let ky = 0; ky < kernelY; ky++) {
        for (let kx = 0; kx < kernelX; kx++) {
          const y = Math.floor((row * stride - top + ky) / upsample);
          const z = Math.floor((column * stride - left + kx) / upsample);
          if (y < 0 || z < 0 || y >= height || z >= width) continue;
          for (let o = 0; o < n; o++) {
            let sum = 0;
            for (let i = 0; i < c; i++)
              sum += x[(y * width + z) * c + i]! * w[((o * kernelY + ky) * kernelX + kx) * c + i]!;
            sums[(row * out.width + column) * n + o]! += sum;
          }
        }
      }
    }
  }
  return sums;
}

/** Mean and 1 / sqrt(variance + epsilon) of each group of channels. */
function normalized(
  x: Float32Array,
  { rows, groups, channels }: { readonly rows: number; readonly groups: number; readonly channels: number },
): readonly { readonly mean: number; readonly inverse: number }[] {
  const c = groups * channels;
  return Array.from({ length: groups }, (_, g) => {
    const values = [...x].filter((_, i) => Math.floor((i % c) / channels) === g);
    const mean = values.reduce((sum, v) => sum + v, 0) / (rows * channels);
    const squares = values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
    return { mean, inverse: 1 / Math.sqrt(squares / (rows * channels) + EPSILON) };
  });
}
