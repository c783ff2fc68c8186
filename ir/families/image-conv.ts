import { present, type RowRange, rowArg, tableArg, weightsArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { flag, optional, size, type ValuesOf, word } from "./contract/params.js";
import { scalar } from "./contract/sizes.js";
import { denseLayout, WINOGRAD, winogradLayout } from "./contract/weights.js";
import { HARDWARE } from "./launch/features.js";
import { form, range } from "./launch/form.js";
import {
  CUDA_FLOAT_DIMENSIONS,
  CUDA_TF32_DIMENSIONS,
  cudaFloatFault,
  cudaFloatTile,
  cudaTf32Fault,
  cudaTf32Tile,
  GEMM_DIMENSIONS,
  type GemmTile,
  gemmTile,
  panelFault,
  stagedTile,
} from "./launch/gemm-tile.js";

const params = {
  /** Filters. */
  n: size,
  /** Channels of the picture. */
  c: size,
  kernelY: size,
  kernelX: size,
  /** Of both axes. */
  stride: size,
  /** Rows of zeros above the picture, and columns to the left of it. */
  top: size,
  left: size,
  /** Each pixel is read as a square of so many by so many. */
  upsample: size,
  bias: flag,
  /** The residual argument is present. */
  residual: flag,
  /** Filters are in the form of Winograd's method. */
  winograd: optional(flag),
  /** What operands may be rounded to before they are multiplied; f32 if absent. */
  products: optional(word("tf32")),
};
export type ImageConvParams = ValuesOf<typeof params>;

/** Weights of a filter, in the order in which they lie: kernel rows, kernel columns, channels. */
export function filterSize({ c, kernelY, kernelX }: ImageConvParams): number {
  return kernelY * kernelX * c;
}

/** The rows of the picture's pixels that the windows of these pixels of the result reach. */
function seenRows(
  { kernelY, stride, top, upsample }: ImageConvParams,
  { first, rows }: RowRange,
  [height = 1, width = 1, , outWidth = 1]: readonly number[],
): RowRange {
  const inside = (y: number) => Math.min(Math.max(Math.floor(y / upsample), 0), height - 1);
  const begin = inside(Math.floor(first / outWidth) * stride - top);
  const end = inside(Math.floor((first + rows - 1) / outWidth) * stride - top + kernelY - 1);
  return { first: begin * width, rows: (end - begin + 1) * width };
}

const conv = form<ImageConvParams>();

const plain = ({ winograd }: ImageConvParams) =>
  winograd === true ? "filters are in the form of Winograd's method" : undefined;

/** Whether there is a kernel that multiplies filters in the form of Winograd's method. */
export function takesWinograd({
  c,
  kernelY,
  kernelX,
  stride,
}: Pick<ImageConvParams, "c" | "kernelY" | "kernelX" | "stride">): boolean {
  return kernelY === 3 && kernelX === 3 && stride === 1 && c % WINOGRAD.channels === 0 && c <= 1024;
}

/** Byte offsets in a thread's scratch memory; a tile is a square of 4 by 4 pixels of the result. */
export function winogradScratch({ c, tiles }: { readonly c: number; readonly tiles: number }) {
  const { columns, channels, products } = WINOGRAD;
  // 64 bytes more than it holds, so that the matrices do not meet in the cache.
  const inputPitch = tiles * channels * 4 + 64;
  const sumPitch = tiles * columns * 4 + 64;
  /** A pixel outside, and a residual of one. */
  const zeroBytes = Math.max(4 * c, 4 * columns);
  const addresses = zeroBytes;
  const between = addresses + tiles * products * 4;
  /** Results of pixels outside. */
  const nowhere = between + 24 * columns * 4;
  const inputs = nowhere + 4 * columns;
  const sums = inputs + products * inputPitch;
  const bytes = sums + products * sumPitch;
  return { inputPitch, sumPitch, zeroBytes, addresses, between, nowhere, inputs, sums, bytes };
}

const wat = {
  /** Products of transformed squares and filters, 36 for 16 pixels instead of 144. */
  winograd: conv({
    dimensions: { tileN: [WINOGRAD.columns], tileM: [256] },
    refuses({ c, kernelY, kernelX, stride, winograd }) {
      if (winograd !== true) return "filters are as they are";
      return takesWinograd({ c, kernelY, kernelX, stride })
        ? undefined
        : "it takes windows of 3 by 3 pixels of 32, 64, … 1024 channels, and a stride of 1";
    },
    launch: ({ c }, { tileN, tileM }) => ({
      tile: [tileN, tileM, 1],
      sharedBytes: winogradScratch({ c, tiles: tileM / 16 }).bytes,
    }),
  }),
  /** Pixels in groups of `rows` against panels of channels; a row of zeros stands for pixels outside. */
  direct: conv({
    dimensions: { tileN: range(8, 64, 8), tileM: [32], rows: [4] },
    refuses: plain,
    launch: ({ c }, { tileN, tileM }) => ({ tile: [tileN, tileM, 1], sharedBytes: zeroBytes(c) }),
  }),
} as const;

/** Bytes of the row of zeros. */
function zeroBytes(c: number): number {
  return 16 * Math.ceil(c / 4);
}

/** Why the vectors of a stage's rows, four each, are not shared out evenly between invocations. */
function sharingFault({ threadsX, blockM }: GemmTile): string | undefined {
  return (4 * blockM) % threadsX === 0
    ? undefined
    : `${threadsX} invocations share ${blockM} rows of four vectors unevenly`;
}

const wgsl = {
  tiled: conv({
    dimensions: GEMM_DIMENSIONS,
    needs: () => [HARDWARE],
    refuses: (params, config) => plain(params) ?? panelFault(config) ?? sharingFault(config),
    launch: (_, config) => stagedTile(config),
  }),
  direct: conv({
    dimensions: GEMM_DIMENSIONS,
    refuses: (params, config) => plain(params) ?? panelFault(config),
    launch: (_, config) => gemmTile(config),
  }),
} as const;

const cuda = {
  tiled: conv({
    dimensions: CUDA_FLOAT_DIMENSIONS,
    needs: () => ["sm_70"],
    refuses: (params, config) => plain(params) ?? cudaFloatFault(config),
    launch: (_, config) => cudaFloatTile(config),
  }),
  tf32: conv({
    dimensions: CUDA_TF32_DIMENSIONS,
    needs: () => ["sm_80"],
    refuses: (params, config) =>
      plain(params) ?? (params.products === undefined ? "products are those of f32" : cudaTf32Fault(config)),
    launch: (_, config) => cudaTf32Tile(config),
    rounding: () => "products of tf32",
  }),
} as const;

/**
 * out[m] = Σ over the window of pixel m of x · w, + bias, + residual: a convolution of one picture whose pixels are rows of
 * channels, in f32, but for products of tf32 where they are allowed. Scalars: height and width of x, height and width of the result, and the first row; rows = height·width of
 * the result.
 * Zeros lie around x; a window may reach beyond them on the right and below, too.
 */
export const imageConv = defineFamily({
  params,
  forms: { wat, wgsl, cuda },
  args: (p) =>
    present([
      { ...tableArg("x", "f32", scalar(0, 1), p.c), window: (of, { scalars }) => seenRows(p, of, scalars) },
      weightsArg("f32", (p.winograd === true ? winogradLayout : denseLayout)({ n: p.n, k: filterSize(p) })),
      p.bias && wholeArg("bias", "f32", p.n),
      p.residual && rowArg("residual", "f32", p.n),
      rowArg("out", "f32", p.n, "write"),
    ]),
  scalars: () => ["u32", "u32", "u32", "u32", "row"],
  rows: () => scalar(2, 3),
  grid: ({ n }) => [n, "rows", 1],
  operations: (p, { rows }) => ({ f32: 2 * rows * p.n * filterSize(p) }),
});
