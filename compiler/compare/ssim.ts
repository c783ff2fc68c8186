import type { Picture } from "../../runtime/pipeline/picture.js";

/** Side of the window, and the deviation of its weights in pixels. */
const SIDE = 11;
const SIGMA = 1.5;
/** What keeps the quotients stable in flat parts: (K·255)². */
const [C1, C2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2];

/**
 * Structural similarity of 8-bit pictures of one size: the mean over all places where the window lies inside (that of smaller
 * pictures is as long as their shorter side), on the luma of BT.601 (Wang, Bovik, Sheikh and Simoncelli, 2004). 1 where they are equal.
 */
export function ssim(a: Picture, b: Picture): number {
  const { width, height } = a;
  const window = gaussian(Math.min(SIDE, width, height));
  const [x, y] = [luma(a), luma(b)];
  const [mx, my] = [blur(x, width, window), blur(y, width, window)];
  const times = (p: Float64Array, q: Float64Array) =>
    blur(
      p.map((value, i) => value * (q[i] ?? 0)),
      width,
      window,
    );
  const [xx, yy, xy] = [times(x, x), times(y, y), times(x, y)];
  let sum = 0;
  for (const [i, m] of mx.entries()) {
    const n = my[i] ?? 0;
    const covariance = (xy[i] ?? 0) - m * n;
    const variances = (xx[i] ?? 0) - m * m + (yy[i] ?? 0) - n * n;
    sum += ((2 * m * n + C1) * (2 * covariance + C2)) / ((m * m + n * n + C1) * (variances + C2));
  }
  return sum / mx.length;
}

function luma({ rgb, width, height }: Picture): Float64Array {
  return Float64Array.from({ length: width * height }, (_, i) => {
    const [r = 0, g = 0, b = 0] = rgb.subarray(3 * i, 3 * i + 3);
    return 0.299 * r + 0.587 * g + 0.114 * b;
  });
}

/** Means in the window, where it lies inside: along rows, then along columns. */
function blur(values: Float64Array, width: number, window: Float64Array): Float64Array {
  const height = values.length / width;
  const across = width - window.length + 1;
  const rows = mean(window, height, across, 1, (y, x) => values.subarray(y * width + x));
  return mean(window, height - window.length + 1, across, across, (y, x) => rows.subarray(y * across + x));
}

function mean(
  window: Float64Array,
  height: number,
  width: number,
  stride: number,
  from: (y: number, x: number) => Float64Array,
): Float64Array {
  const out = new Float64Array(height * width);
  for (let i = 0; i < out.length; i++) {
    const values = from(Math.floor(i / width), i % width);
    let sum = 0;
    for (const [k, weight] of window.entries()) sum += weight * (values[k * stride] ?? 0);
    out[i] = sum;
  }
  return out;
}

function gaussian(side: number): Float64Array {
  const weights = Float64Array.from({ length: side }, (_, i) =>
    Math.exp(-((i - (side - 1) / 2) ** 2) / (2 * SIGMA ** 2)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
