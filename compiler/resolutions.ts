import type { Bindings } from "../ir/dim.js";
import { TritcError } from "../ir/errors.js";
import { type Graph, shapeOf } from "../ir/graph/graph.js";

/** Size of a picture in pixels. */
export interface Resolution {
  readonly width: number;
  readonly height: number;
}

/** What FLUX.1 is usually run at. */
const DEFAULT_RESOLUTION: Resolution = { width: 1024, height: 1024 };
const DEFAULT_TEXT_TOKENS = 512;
const DEFAULT_STEPS = 50;
/** Pixels that one image token covers along each side: VAE factor 8, 2×2 packing. */
const PIXELS_PER_TOKEN = 16;

export function printResolution({ width, height }: Resolution): string {
  return `${width}x${height}`;
}

/** Image tokens of a picture. */
export function imageTokens({ width, height }: Resolution): number {
  return Math.ceil(width / PIXELS_PER_TOKEN) * Math.ceil(height / PIXELS_PER_TOKEN);
}

/** The square picture of side² image tokens. */
export function squareOf(side: number): Resolution {
  return { width: side * PIXELS_PER_TOKEN, height: side * PIXELS_PER_TOKEN };
}

/**
 * The sizes to plan for, each once and in the order given; none for graphs that draw no pictures. Of a static export it
 * is its own size. Throws TRITC_E_RESOLUTION where a static export is asked for another number of image tokens.
 */
export function resolutionsOf(graph: Graph, given: readonly Resolution[] = []): readonly Resolution[] {
  if (graph.model === undefined) return [];
  const tokens = staticTokens(graph, "latents");
  const other = given.find((resolution) => tokens !== undefined && imageTokens(resolution) !== tokens);
  if (other !== undefined) {
    throw new TritcError({
      code: "TRITC_E_RESOLUTION",
      message: "the model was exported for one picture size alone",
      place: `--resolution ${printResolution(other)}`,
      expected: `${tokens} image tokens, 16x16 pixels each`,
      found: `${imageTokens(other)} image tokens`,
      remedy: "leave --resolution out, or export the model with dynamic axes",
      exitCode: 2,
    });
  }
  const bySize = new Map(given.map((resolution) => [printResolution(resolution), resolution]));
  if (bySize.size > 0) return [...bySize.values()];
  const side = tokens === undefined ? Number.NaN : Math.sqrt(tokens);
  return [Number.isInteger(side) ? squareOf(side) : DEFAULT_RESOLUTION];
}

/** Values of the symbols for a picture, at 50 steps and as much text as the model takes. */
export function sizesOf(graph: Graph, resolution: Resolution): Bindings {
  return {
    img_tokens: imageTokens(resolution),
    txt_tokens: staticTokens(graph, "context") ?? DEFAULT_TEXT_TOKENS,
    steps: DEFAULT_STEPS,
  };
}

/** Values of the symbols that no resolution exceeds. */
export function largestSizes(graph: Graph, resolutions: readonly Resolution[]): Bindings {
  const [largest] = [...resolutions].sort((a, b) => imageTokens(b) - imageTokens(a));
  return largest === undefined ? {} : sizesOf(graph, largest);
}

/** Tokens of an input if they are a number. */
function staticTokens(graph: Graph, role: "latents" | "context"): number | undefined {
  const id = graph.inputs.find((input) => graph.model?.roles[input] === role);
  const tokens = id === undefined ? undefined : shapeOf(graph, id).at(-2);
  return typeof tokens === "number" ? tokens : undefined;
}
