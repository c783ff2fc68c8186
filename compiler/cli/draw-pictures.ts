import type { Manifest } from "../../ir/format/manifest.js";
import { familyOf, guidesByTwoPasses, type PictureSize } from "../../ir/models/index.js";
import type { GeneratedPicture, GenerateOptions, Generator } from "../../runtime/node/generate.js";
import { imageTokens, printResolution } from "../resolutions.js";
import type { RunOptions, SamplingOptions } from "./sampling-options.js";
import type { Progress, Terminal } from "./terminal.js";

/** One picture to draw, and where to. */
export interface WantedPicture {
  readonly prompt: string;
  readonly seed: number;
  readonly out: string;
}

/** A picture that is there now. */
export interface DrawnPicture extends WantedPicture {
  readonly width?: number;
  readonly height?: number;
  readonly steps?: number;
  /** Side, in pixels, of the tiles that it was decoded in, if it was. */
  readonly tilePixels?: number;
  /** It was there before. */
  readonly kept: boolean;
}

export interface Drawing<Wanted extends WantedPicture> {
  /** What all pictures have in common. */
  readonly request: Omit<GenerateOptions, "prompt" | "seed">;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Whether a picture need not be drawn. */
  readonly isThere: (options: GenerateOptions, wanted: Wanted) => Promise<boolean>;
  readonly write: (wanted: Wanted, picture: GeneratedPicture) => Promise<void>;
}

/** Draws one picture after the other, each as it is drawn alone. */
export async function drawPictures<Wanted extends WantedPicture>(
  generator: Generator,
  pictures: readonly Wanted[],
  { request, signal, progress, isThere, write }: Drawing<Wanted>,
): Promise<readonly DrawnPicture[]> {
  const drawn: DrawnPicture[] = [];
  try {
    for (const [i, wanted] of pictures.entries()) {
      const { prompt, seed, out } = wanted;
      const options: GenerateOptions = { ...request, prompt, seed, signal };
      if (await isThere(options, wanted)) {
        drawn.push({ out, prompt, seed, kept: true });
        continue;
      }
      const onStep = ({ step, steps }: { step: number; steps: number }) =>
        progress.update(i * steps + step, pictures.length * steps);
      const picture = await generator.generate({ ...options, onStep });
      await write(wanted, picture);
      const { width, height, steps, tilePixels } = picture;
      const tiled = tilePixels === undefined ? {} : { tilePixels };
      drawn.push({ out, prompt, seed, width, height, steps, ...tiled, kept: false });
    }
  } finally {
    progress.stop();
  }
  return drawn;
}

/**
 * What is at a picture's path: nothing, the picture that would be drawn, as its metadata say all that made it, or something
 * else.
 */
export async function whatStands(
  generator: Generator,
  options: GenerateOptions,
  out: string,
): Promise<"nothing" | "it" | "other"> {
  const { readWholeText } = await import("../../runtime/node/png-text.js");
  const { readRegular } = await import("../../runtime/node/regular-file.js");
  try {
    const metadata = readWholeText(await readRegular(out, 1 << 28));
    if (metadata === undefined) return "other";
    const expected = Object.entries(generator.metadata(options));
    const isIt =
      expected.length === Object.keys(metadata).length && expected.every(([k, v]) => metadata[k] === v);
    return isIt ? "it" : "other";
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT" ? "nothing" : "other";
  }
}

/** What was asked for and is not done, or not planned: a size that may take more memory than there is. */
export function remark(
  terminal: Terminal,
  { resolutions, sampling, model }: Manifest,
  options: SamplingOptions & Pick<RunOptions, "negativePrompt" | "trueCfgScale" | "autoResize">,
  images: readonly PictureSize[] = [],
): void {
  const { resolution, guidance, negativePrompt, trueCfgScale } = options;
  const planned = resolutions.map(printResolution);
  const drawn = resolution ?? sizeOfFirst(sampling, model, images);
  if (drawn !== undefined && !planned.includes(printResolution(drawn))) {
    terminal.note(
      `${printResolution(drawn)} is none of the sizes this bundle was planned for: ${planned.join(", ")}`,
    );
  }
  const tokens = referenceTokens(sampling, model, images, options.autoResize ?? true);
  if (sampling !== null && tokens > sampling.referenceTokens) {
    const planned = `this bundle was planned for ${sampling.referenceTokens}`;
    terminal.note(
      `--image takes ${tokens} image tokens, and ${planned}: compile with --references to plan for it`,
    );
  }
  if (guidance !== undefined && sampling?.guidance === null) {
    terminal.note("this model takes no guidance: --guidance changes nothing");
  }
  const twoPasses = model !== null && guidesByTwoPasses(model, sampling?.guidance ?? null);
  if (negativePrompt !== undefined && !twoPasses && (trueCfgScale === undefined || trueCfgScale <= 1)) {
    const remedy =
      model !== null && familyOf(model).sampling.trueGuidance ? " without --true-cfg-scale above 1" : "";
    terminal.note(`this model is not guided by two passes${remedy}: --negative-prompt changes nothing`);
  }
}

/** The size that is drawn because it is the first picture's; undefined where the model's own is. */
function sizeOfFirst(
  sampling: Manifest["sampling"],
  model: Manifest["model"],
  [first]: readonly PictureSize[],
): PictureSize | undefined {
  if (sampling?.condition !== "reference" || model === null || first === undefined) return undefined;
  const rules = familyOf(model).sampling.references;
  return rules?.firstSaysSize === true ? rules.fit(first, sampling.pixelsPerToken, true)?.cut : undefined;
}

/** Image tokens of pictures that are drawn after; those of a size that the model does not take are refused elsewhere. */
function referenceTokens(
  sampling: Manifest["sampling"],
  model: Manifest["model"],
  images: readonly PictureSize[],
  resize: boolean,
): number {
  if (sampling?.condition !== "reference" || model === null) return 0;
  const rules = familyOf(model).sampling.references;
  const { pixelsPerToken } = sampling;
  return images.reduce((sum, picture) => {
    const cut = rules?.fit(picture, pixelsPerToken, resize)?.cut;
    return sum + (cut === undefined ? 0 : imageTokens(cut, pixelsPerToken));
  }, 0);
}
