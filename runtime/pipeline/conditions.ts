/** What a model sees of pictures that it is given, made as Diffusers' pipelines make it. */
import { TritcError } from "../../ir/errors.js";
import type { LatentGeometry, LatentLayout, PictureSize, ReferenceRules } from "../../ir/models/index.js";
import type { Condition } from "../../ir/sampling/sampling.js";
import { joinRows } from "../join-rows.js";
import type { References } from "../sample-inputs.js";
import { listOf, type Pictures } from "./given-pictures.js";
import type { Picture } from "./picture.js";
import type { PipelineModels } from "./pipeline-models.js";
import { resizeLanczos } from "./resize.js";

/** Pictures as the sampler takes them. All latents are packed, in the transformer's scale. */
export interface SeenPictures {
  /** [imageTokens, channels] what stands behind the latents in each row. */
  readonly condition?: Float32Array;
  readonly references?: References;
  /** [imageTokens, packedChannels] the picture that is begun with. */
  readonly start?: Float32Array;
  /** [imageTokens, packedChannels] 1 where it is drawn over, 0 where it stays. */
  readonly drawn?: Float32Array;
}

export interface SeeOptions {
  readonly geometry: LatentGeometry;
  readonly layout: LatentLayout;
  /** How the model takes pictures to draw after. */
  readonly references: ReferenceRules | undefined;
  /** Whether such pictures may be scaled to a size that the model was trained at. */
  readonly resize: boolean;
  /** How much of a picture that is begun with is drawn anew. */
  readonly strength: number;
}

/** Encodes what the model is given, by what it takes. Throws TRITC_E_CONDITION for a picture of a size that it does not take. */
export async function seePictures(
  models: PipelineModels,
  condition: Condition,
  { control, image: given, mask }: Pictures,
  options: SeeOptions,
): Promise<SeenPictures> {
  const { geometry, layout, strength } = options;
  const { width, height } = geometry;
  const encode = (picture: Picture) =>
    models.encodePicture(planesOf(resizeLanczos(picture, width, height)), height, width);
  const images = listOf(given);
  const [image] = images;
  if (condition === "control") return control === undefined ? {} : { condition: await encode(control) };
  if (image === undefined) return {};
  if (condition === "reference") return { references: await encodeReferences(models, images, options) };
  const begun = condition === "none" || strength < 1 ? { start: await encode(image) } : {};
  if (mask === undefined) return begun;
  const holes = holesOf(resizeLanczos(mask, width, height));
  if (condition === "none") return { ...begun, drawn: drawnLatents(holes, geometry, layout) };
  const masked = planesOf(resizeLanczos(image, width, height)).map((value, i) =>
    holes[i % holes.length] === 1 ? 0 : value,
  );
  const latents = await models.encodePicture(masked, height, width);
  const rows = joinRows(latents, packMask(holes, geometry, layout), geometry.imageTokens);
  return { ...begun, condition: rows };
}

async function encodeReferences(
  models: PipelineModels,
  pictures: readonly Picture[],
  { geometry, layout, references, resize }: SeeOptions,
): Promise<References> {
  if (references === undefined) throw new Error("a model that draws after pictures says how");
  const { latentChannels, vaeScale } = models.vaeConfig;
  const grids: LatentGeometry[] = [];
  const parts: Float32Array[] = [];
  for (const picture of pictures) {
    const { scaled, cut } = fitReference(references, picture, geometry.width / geometry.columns, resize);
    const resized = resizeLanczos(picture, scaled.width, scaled.height);
    parts.push(await models.encodePicture(planesOf(cutMiddle(resized, cut)), cut.height, cut.width));
    grids.push(layout.geometry(cut.height, cut.width, latentChannels, vaeScale));
  }
  const latents = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    latents.set(part, at);
    at += part.length;
  }
  return { latents, grids };
}

/** What becomes of a picture that is drawn after. Throws TRITC_E_CONDITION. */
export function fitReference(
  rules: ReferenceRules,
  picture: PictureSize,
  pixelsPerToken: number,
  resize: boolean,
) {
  const fit = rules.fit(picture, pixelsPerToken, resize);
  if (fit !== undefined) return fit;
  throw new TritcError({
    code: "TRITC_E_CONDITION",
    message: "the model does not draw after pictures of this size",
    place: "image",
    expected: rules.takes,
    found: `${picture.width}x${picture.height}`,
    remedy: "give a larger picture, or one that is less narrow",
    exitCode: 2,
  });
}

/** The middle of a picture; of an odd rest the smaller half is left out above and left. */
function cutMiddle({ rgb, width, height }: Picture, to: PictureSize): Picture {
  const [left, top] = [Math.floor((width - to.width) / 2), Math.floor((height - to.height) / 2)];
  const cut = new Uint8Array(to.width * to.height * 3);
  for (let y = 0; y < to.height; y++) {
    const from = ((top + y) * width + left) * 3;
    cut.set(rgb.subarray(from, from + to.width * 3), y * to.width * 3);
  }
  return { rgb: cut, ...to };
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

/** A mask for latents: of each latent's pixels the first one counts, for all of its channels. */
function drawnLatents(holes: Float32Array, geometry: LatentGeometry, layout: LatentLayout): Float32Array {
  const { latentHeight, latentWidth, width, channels } = geometry;
  const scale = width / latentWidth;
  const latents = latentHeight * latentWidth;
  const planes = Float32Array.from({ length: channels * latents }, (_, i) => {
    const [y, x] = [Math.floor((i % latents) / latentWidth), i % latentWidth];
    return holes[y * scale * width + x * scale] ?? 0;
  });
  return layout.pack(planes, geometry);
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
