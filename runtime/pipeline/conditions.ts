/** What Fill, Canny and Depth models see beside noise and text, made as Diffusers' pipelines make it. */
import { TritcError } from "../../ir/errors.js";
import type { LatentGeometry, LatentLayout } from "../../ir/models/index.js";
import type { Condition } from "../../ir/sampling/sampling.js";
import { joinRows } from "../join-rows.js";
import type { Picture } from "./picture.js";
import type { PipelineModels } from "./pipeline-models.js";
import { resizeLanczos } from "./resize.js";

/** The pictures that a model may be given. */
export interface ConditionPictures {
  /** What the picture follows: edges for Canny, a depth map for Depth. */
  readonly control?: Picture | undefined;
  /** What is filled in. */
  readonly image?: Picture | undefined;
  /** Where it is filled: white. */
  readonly mask?: Picture | undefined;
}

const NAMES = ["control", "image", "mask"] as const;
const NEEDED: Readonly<Record<Condition, readonly (typeof NAMES)[number][]>> = {
  none: [],
  control: ["control"],
  fill: ["image", "mask"],
};

/** Refuses pictures that the model does not take, and a model that lacks one. Throws TRITC_E_CONDITION. */
export function requireConditions(
  condition: Condition,
  given: Readonly<Partial<Record<(typeof NAMES)[number], unknown>>>,
  place: string,
): void {
  const needed = NEEDED[condition];
  const found = NAMES.filter((name) => given[name] !== undefined);
  if (needed.length === found.length && needed.every((name) => found.includes(name))) return;
  const options = (names: readonly string[]) => names.map((name) => `--${name}`).join(" and ");
  const lacks = needed.filter((name) => !found.includes(name));
  const extra = found.filter((name) => !needed.includes(name));
  throw new TritcError({
    code: "TRITC_E_CONDITION",
    message: {
      none: "this model draws from a prompt alone",
      control: "this model (Canny, Depth) draws after a control picture",
      fill: "this model (Fill) draws into a picture, where a mask is white",
    }[condition],
    place,
    expected: needed.length === 0 ? "no picture" : options(needed),
    found: found.length === 0 ? "no picture" : options(found),
    remedy: lacks.length > 0 ? `give ${options(lacks)}` : `leave ${options(extra)} out`,
    exitCode: 2,
  });
}

/** [imageTokens, channels] what stands behind the latents in each row; undefined for a model that sees nothing more. */
export async function conditionRows(
  models: PipelineModels,
  condition: Condition,
  { control, image, mask }: ConditionPictures,
  geometry: LatentGeometry,
  layout: LatentLayout,
): Promise<Float32Array | undefined> {
  const { width, height } = geometry;
  if (control !== undefined) {
    return models.encodePicture(planesOf(resizeLanczos(control, width, height)), height, width);
  }
  if (condition !== "fill" || image === undefined || mask === undefined) return undefined;
  const holes = holesOf(resizeLanczos(mask, width, height));
  const masked = planesOf(resizeLanczos(image, width, height)).map((value, i) =>
    holes[i % holes.length] === 1 ? 0 : value,
  );
  const latents = await models.encodePicture(masked, height, width);
  return joinRows(latents, packMask(holes, geometry, layout), geometry.imageTokens);
}

/** [3, height, width] in [-1, 1]. */
function planesOf({ rgb, width, height }: Picture): Float32Array {
  const pixels = width * height;
  return Float32Array.from(
    { length: 3 * pixels },
    (_, i) => 2 * ((rgb[(i % pixels) * 3 + Math.floor(i / pixels)] ?? 0) / 255) - 1,
  );
}

/** [height, width] 1 where the mask's brightness, as Pillow computes it, is at least half of white; else 0. */
function holesOf({ rgb, width, height }: Picture): Float32Array {
  return Float32Array.from({ length: width * height }, (_, i) => {
    const [r = 0, g = 0, b = 0] = rgb.subarray(3 * i, 3 * i + 3);
    return (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16 >= 127.5 ? 1 : 0;
  });
}

/** The mask's pixels as channels of the latent they lie in, packed like latents: [tokens, scale²·4]. */
function packMask(holes: Float32Array, geometry: LatentGeometry, layout: LatentLayout): Float32Array {
  const { latentHeight, latentWidth, width } = geometry;
  const scale = width / latentWidth;
  const channels = scale * scale;
  const planes = new Float32Array(holes.length);
  let at = 0;
  for (let dy = 0; dy < scale; dy++) {
    for (let dx = 0; dx < scale; dx++) {
      for (let y = 0; y < latentHeight; y++) {
        for (let x = 0; x < latentWidth; x++)
          planes[at++] = holes[(y * scale + dy) * width + x * scale + dx] ?? 0;
      }
    }
  }
  return layout.pack(planes, { ...geometry, channels, packedChannels: channels * 4 });
}
