/** PSNR and SSIM against scikit-image. */
import { describe, expect, it } from "vitest";
import { psnr } from "../../compiler/compare/psnr.js";
import { ssim } from "../../compiler/compare/ssim.js";
import type { Picture } from "../../runtime/pipeline/picture.js";

/** A pattern, and how far another picture is from it at each byte. */
function picture(width: number, height: number, noise: (x: number, y: number, c: number) => number): Picture {
  const rgb = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    const value = (7 * x + 13 * y + 50 * c + ((x * y) % 17)) % 256;
    return Math.min(255, Math.max(0, value + noise(x, y, c)));
  });
  return { rgb, width, height };
}
const plain = () => 0;
const noisy = (x: number, y: number, c: number) => ((31 * x + 17 * y + 7 * c) % 41) - 20;

/*
 * By scikit-image 0.26:
 *
 *   import numpy as np
 *   from skimage.metrics import structural_similarity as ssim, peak_signal_noise_ratio as psnr
 *   for w, h in ((40, 32), (11, 11), (64, 17)):
 *       y, x, c = np.mgrid[0:h, 0:w, 0:3]
 *       a = (7*x + 13*y + 50*c + x*y % 17) % 256
 *       b = np.clip(a + (31*x + 17*y + 7*c) % 41 - 20, 0, 255)
 *       luma = lambda p: p @ np.array([.299, .587, .114])
 *       print(w, h, ssim(luma(a), luma(b), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255),
 *             psnr(a.astype(np.uint8), b.astype(np.uint8)))
 */
const EXPECTED = [
  [40, 32, 0.94855813233272, 26.845044132160112],
  [11, 11, 0.9314172352577568, 26.7566172523724],
  [64, 17, 0.9518611574696837, 26.838953479271215],
  // Smaller than its window, which it refuses: by the same formula with a window of 6 x 6, in NumPy.
  [8, 6, 0.9390952072979215, 26.741639427300466],
] as const;

describe.each(EXPECTED)("pictures of %d x %d", (width, height, similarity, ratio) => {
  const [a, b] = [picture(width, height, plain), picture(width, height, noisy)];

  it("have the SSIM and PSNR of scikit-image", () => {
    expect(ssim(a, b)).toBeCloseTo(similarity, 10);
    expect(psnr(a, b)).toBeCloseTo(ratio, 10);
    expect(ssim(b, a)).toBeCloseTo(similarity, 10);
  });

  it("are as alike as can be to themselves", () => {
    expect(ssim(b, b)).toBe(1);
    expect(psnr(b, b)).toBe(Number.POSITIVE_INFINITY);
  });
});
