import { floorTo, type PictureSize, type ReferenceRules } from "../references.js";

/** Sizes that FLUX.1 Kontext was trained at, as `FluxKontextPipeline` has them. */
const PREFERRED: readonly PictureSize[] = (
  [
    [672, 1568],
    [688, 1504],
    [720, 1456],
    [752, 1392],
    [800, 1328],
    [832, 1248],
    [880, 1184],
    [944, 1104],
    [1024, 1024],
    [1104, 944],
    [1184, 880],
    [1248, 832],
    [1328, 800],
    [1392, 752],
    [1456, 720],
    [1504, 688],
    [1568, 672],
  ] as const
).map(([width, height]) => ({ width, height }));

/** How FLUX.1 Kontext reads a picture: scaled to the trained size whose sides are nearest in ratio, or as it is. */
export const kontextReferences: ReferenceRules = {
  most: 1,
  firstSaysSize: false,
  scales: true,
  largest: PREFERRED.reduce((a, b) => (b.width * b.height > a.width * a.height ? b : a)),
  time: () => 1,
  fit(picture, pixelsPerToken, resize) {
    const own = floorTo(pixelsPerToken, picture);
    if (own.width === 0 || own.height === 0) return undefined;
    const scaled = resize ? floorTo(pixelsPerToken, preferred(own.width / own.height)) : own;
    return { scaled, cut: scaled };
  },
  takes: "sides of at least one image token",
};

function preferred(ratio: number): PictureSize {
  const distance = ({ width, height }: PictureSize) => Math.abs(ratio - width / height);
  return PREFERRED.reduce((best, size) => (distance(size) < distance(best) ? size : best));
}
