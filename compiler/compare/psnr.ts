import type { Picture } from "../../runtime/pipeline/picture.js";

/** Peak signal-to-noise ratio of 8-bit pictures of one size in dB; Infinity where they are equal. */
export function psnr(a: Picture, b: Picture): number {
  const squares = a.rgb.reduce((sum, value, i) => sum + (value - (b.rgb[i] ?? Number.NaN)) ** 2, 0);
  return 10 * Math.log10(255 ** 2 / (squares / a.rgb.length));
}
