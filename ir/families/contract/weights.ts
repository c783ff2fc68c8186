import type { Language } from "../../program/program.js";
import { roundUp, type WeightLayout } from "./arguments.js";
import { size, type ValuesOf, word } from "./params.js";

// The device layouts of weights, by language: what unpack kernels make and matrix products read, in whole blocks.

/** Columns of a panel: f32 [column / panel][k][column % panel]; in WGSL [k][column], the columns padded to whole ones. */
export const DENSE_PANEL = { wat: 8, wgsl: 64, cuda: 64 } as const;

/**
 * Channels and k of a block of codes u = t + 1, 16 to a word. WGSL: word [k / 16][column], the columns padded to whole
 * blocks. CUDA: u32 [ceil(n/64)][ceil(k/128)][4][32][4].
 */
export const TERNARY_BLOCKS = {
  wat: { i8: { channels: 8, k: 16 }, float: { channels: 4, k: 16 } },
  wgsl: { i8: { channels: 64, k: 16 }, float: { channels: 64, k: 16 } },
  cuda: { i8: { channels: 64, k: 128 }, float: { channels: 64, k: 128 } },
} as const;

/** What decides the layout of ternary weights. */
export const ternaryMatrix = {
  n: size,
  k: size,
  /** What they are multiplied with. `i8`: rows from quantize-rows or adaln-quantize. */
  activations: word("i8", "bf16", "f16", "f32"),
};
export type TernaryLayout = ValuesOf<typeof ternaryMatrix>;

/** The layout that unpack-trits makes and ternary-gemm reads. */
export function ternaryLayout({ n, k, activations }: TernaryLayout): WeightLayout {
  const words = (language: Language) => {
    const block = TERNARY_BLOCKS[language][activations === "i8" ? "i8" : "float"];
    return (roundUp(n, block.channels) * roundUp(k, block.k)) / 16;
  };
  return {
    name: `ternary ${n} x ${k} for ${activations}`,
    words: { wat: words("wat"), wgsl: words("wgsl"), cuda: words("cuda") },
  };
}

/** What decides the layout of dense weights. */
export const denseMatrix = { n: size, k: size };
export type DenseLayout = ValuesOf<typeof denseMatrix>;

/**
 * Filters of 3 by 3 pixels in Winograd's form: f32 [column / 64][channel / 32][36][column % 64 / 8][channel % 32][column % 8],
 * the columns padded to whole eights. WebAssembly alone has it.
 */
export const WINOGRAD = { columns: 64, channels: 32, products: 36, taps: 9 } as const;

/** The layout that unpack-dense makes of filters [n, 3, 3, c] and image-conv reads. */
export function winogradLayout({ n, k }: DenseLayout): WeightLayout {
  const words = WINOGRAD.products * (k / WINOGRAD.taps) * roundUp(n, DENSE_PANEL.wat);
  return { name: `winograd ${n} x ${k}`, words: { wat: words, wgsl: Number.NaN, cuda: Number.NaN } };
}

/** The layout that unpack-dense makes and dense-gemm reads. */
export function denseLayout({ n, k }: DenseLayout): WeightLayout {
  const words = (panel: number) => k * roundUp(n, panel);
  return {
    name: `dense ${n} x ${k}`,
    words: { wat: words(DENSE_PANEL.wat), wgsl: words(DENSE_PANEL.wgsl), cuda: words(DENSE_PANEL.cuda) },
  };
}
