import { outOfRange } from "../../ir/bounds.js";
import { listOf, type Pictures } from "../pipeline/given-pictures.js";
import type { Picture } from "../pipeline/picture.js";
import { decodePng } from "./png.js";

/** Pixels, or a PNG file's bytes; of any size. */
export type GivenPicture = Picture | Uint8Array;

/** The pictures of a request, each as pixels or as a PNG file's bytes. */
export interface GivenPictures {
  /** Canny and Depth models: what the picture follows, edges or a depth map. */
  readonly control?: GivenPicture | undefined;
  /**
   * Fill models: the picture to draw into. Kontext and FLUX.2: the picture, or pictures, to draw after. Others: the picture
   * to begin with.
   */
  readonly image?: GivenPicture | readonly GivenPicture[] | undefined;
  /** Fill models, and models that begin with `image`: white where to draw. */
  readonly mask?: GivenPicture | undefined;
}

/** Throws TRITC_E_PNG, and TRITC_E_RANGE for pixels that are not of the size that is said. */
export function decodePictures({ control, image, mask }: GivenPictures): {
  [K in keyof Pictures]-?: Pictures[K] | undefined;
} {
  return {
    control: control && decode("control", control),
    image: image && listOf(image).map((picture) => decode("image", picture)),
    mask: mask && decode("mask", mask),
  };
}

function decode(name: string, given: GivenPicture): Picture {
  const picture = given instanceof Uint8Array ? decodePng(given, name, "ignored") : given;
  const { rgb, width, height } = picture;
  if (rgb.length === 3 * width * height && rgb.length > 0) return picture;
  throw outOfRange(name, `3 bytes of RGB for each of ${width}x${height} pixels`, `${rgb.length} bytes`);
}
