// What the device layouts of weights are made of, by language: kernels read whole blocks.

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
