import { floorTo, type ReferenceRules } from "../references.js";

const SIDE = 1024;
const MOST_PIXELS = SIDE * SIDE;
const LEAST_SIDE = 64;
const MOST_RATIO = 8;

/** How FLUX.2 reads pictures, as its pipelines do: scaled down to a megapixel, and the middle of whole tokens cut out. */
export const flux2References: ReferenceRules = {
  most: 10,
  firstSaysSize: true,
  scales: false,
  largest: { width: SIDE, height: SIDE },
  cachedBy: (className) => /^Flux2KleinKV/.test(className),
  time: (index) => 10 + 10 * index,
  fit(picture, pixelsPerToken) {
    const { width, height } = picture;
    const ratio = Math.max(width / height, height / width);
    if (Math.min(width, height) < LEAST_SIDE || ratio > MOST_RATIO) return undefined;
    const scale = Math.sqrt(MOST_PIXELS / (width * height));
    const scaled =
      width * height > MOST_PIXELS
        ? { width: Math.trunc(width * scale), height: Math.trunc(height * scale) }
        : picture;
    return { scaled, cut: floorTo(pixelsPerToken, scaled) };
  },
  takes: `sides of at least ${LEAST_SIDE} pixels, one at most ${MOST_RATIO} times the other`,
};
