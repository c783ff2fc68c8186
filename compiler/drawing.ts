import { type Bindings, type Dim, evaluateDim, symbolsOf } from "../ir/dim.js";
import { TritcError } from "../ir/errors.js";
import { type Graph, shapeOf } from "../ir/graph/graph.js";
import { familyOf, type InputRole } from "../ir/models/index.js";
import type { Sampling } from "../ir/sampling/sampling.js";
import { referenceInputsOf } from "./analysis/reference-inputs.js";
import type { PipelineConfig } from "./bundle/pipeline-config.js";
import { imageTokens, printResolution, type Resolution } from "./resolutions.js";

/** The pictures that a program is planned for. */
export interface Drawing {
  /** Each once; the first is what is drawn by default. */
  readonly resolutions: readonly [Resolution, ...Resolution[]];
  readonly sampling: Sampling;
  /** The largest picture to draw after that is planned for; none if absent. */
  readonly reference?: Resolution | undefined;
}

export interface DrawingRequest {
  /** What to plan for; the pipeline's size, or that of a static export, if absent or empty. */
  readonly resolutions?: readonly Resolution[] | undefined;
  /** Text tokens; the model's own number, else the pipeline's, if absent. */
  readonly textLength?: number | undefined;
  /** Pictures to draw after, to plan memory for; if absent, one for Kontext and klein 9B-KV, which are for that, none for others. */
  readonly references?: number | undefined;
  readonly pipeline?: PipelineConfig | undefined;
}

/**
 * What a model draws; null for graphs that draw no pictures.
 * Throws TRITC_E_RESOLUTION for a size that no grid of tokens fits or that is not a static export's, TRITC_E_TEXT_LENGTH
 * for another text length than the model's, TRITC_E_PIPELINE for the pipeline of another model.
 */
export function drawingOf(graph: Graph, request: DrawingRequest = {}): Drawing | null {
  const { model } = graph;
  if (model === undefined) return null;
  const { pipeline } = request;
  const rules = familyOf(model).sampling;
  const vaeScale = pipeline?.vae?.vaeScale ?? rules.vaeScale(model);
  const pixelsPerToken = vaeScale * rules.packing;
  const resolutions = resolutionsOf(graph, request, pixelsPerToken, rules.latents * vaeScale);
  const condition = rules.condition(model, vaeScale, pipeline?.className);
  const sampling: Sampling = {
    pixelsPerToken,
    textLength: textLengthOf(graph, request, imageTokens(resolutions[0], pixelsPerToken)) ?? rules.textTokens,
    ...rules.stepsAndGuidance(model, vaeScale, pipeline?.distilled ?? null, pipeline?.className),
    condition,
    referenceTokens: referenceTokens(graph, condition, request.references, pixelsPerToken),
    ...(referenceInputsOf(graph) === undefined ? {} : { cachesReferences: true }),
    scheduler: pipeline?.scheduler ?? null,
  };
  checkPipeline(model.outChannels, rules.packing ** 2, pipeline);
  const reference = sampling.referenceTokens > 0 ? rules.references?.largest : undefined;
  return { resolutions, sampling, ...(reference && { reference }) };
}

/** Tokens of so many pictures to draw after, each as large as they get. Throws TRITC_E_CONDITION. */
function referenceTokens(
  graph: Graph,
  condition: Sampling["condition"],
  count: number | undefined,
  pixelsPerToken: number,
): number {
  const { model } = graph;
  const rules = model === undefined ? undefined : familyOf(model).sampling.references;
  const most = condition === "reference" ? (rules?.most ?? 0) : 0;
  if ((count ?? 0) > most) {
    throw new TritcError({
      code: "TRITC_E_CONDITION",
      message: "the model does not draw after so many pictures",
      place: `--references ${count}`,
      expected: most === 0 ? "0" : `0 to ${most}`,
      found: String(count),
      remedy: most === 0 ? "leave --references out" : `plan for ${most}`,
      exitCode: 2,
    });
  }
  const isForThat = rules?.firstSaysSize === false || referenceInputsOf(graph) !== undefined;
  const planned = count ?? (isForThat && most > 0 ? 1 : 0);
  return planned === 0 || rules === undefined ? 0 : planned * imageTokens(rules.largest, pixelsPerToken);
}

/** Undefined where nothing says it. */
function textLengthOf(
  graph: Graph,
  { textLength, pipeline }: DrawingRequest,
  pictureTokens: number,
): number | undefined {
  const fixed = textBeside(graph, pictureTokens);
  if (fixed !== undefined && textLength !== undefined && textLength !== fixed) {
    throw new TritcError({
      code: "TRITC_E_TEXT_LENGTH",
      message: "the model was exported for one text length alone",
      place: `--text-length ${textLength}`,
      expected: `${fixed} tokens`,
      found: `${textLength} tokens`,
      remedy: "leave --text-length out, or export the model with dynamic axes",
      exitCode: 2,
    });
  }
  return fixed ?? textLength ?? pipeline?.textLength ?? undefined;
}

function checkPipeline(outChannels: number, packed: number, pipeline: PipelineConfig | undefined): void {
  const channels = pipeline?.vae?.latentChannels;
  if (pipeline === undefined || channels === undefined || channels * packed === outChannels) return;
  throw new TritcError({
    code: "TRITC_E_PIPELINE",
    message: "the pipeline's VAE is not the model's",
    place: pipeline.folder,
    expected: `${outChannels / packed} latent channels, for a model of ${outChannels}`,
    found: `${channels} latent channels`,
    remedy: "give the folder of the pipeline that the model belongs to with --pipeline",
    exitCode: 2,
  });
}

function resolutionsOf(
  graph: Graph,
  { resolutions: given = [], pipeline }: DrawingRequest,
  pixelsPerToken: number,
  usualSide: number,
): Drawing["resolutions"] {
  const tokens = staticTokens(graph, "latents");
  for (const resolution of given) checkResolution(resolution, tokens, pixelsPerToken);
  checkSum(graph, given, pixelsPerToken);
  const bySize = new Map(given.map((resolution) => [printResolution(resolution), resolution]));
  const [first, ...rest] = bySize.values();
  if (first !== undefined) return [first, ...rest];
  const side = pipeline?.sampleSize ?? usualSide;
  const whole = Math.max(1, Math.floor(side / pixelsPerToken)) * pixelsPerToken;
  const usual = { width: whole, height: whole };
  const fits = tokens === undefined || imageTokens(usual, pixelsPerToken) === tokens;
  return [fits ? besideText(graph, usual, pixelsPerToken) : nearlySquare(tokens, pixelsPerToken)];
}

/** Tracing may have fixed the sum of image and text tokens, so that a size says how long the text is. */
function checkSum(graph: Graph, given: readonly Resolution[], pixelsPerToken: number): void {
  const [first] = given;
  for (const resolution of given) {
    const [text, wanted] = [resolution, first ?? resolution].map((r) =>
      textBeside(graph, imageTokens(r, pixelsPerToken)),
    );
    if (text === undefined || (text >= 1 && text === wanted)) continue;
    throw new TritcError({
      code: "TRITC_E_RESOLUTION",
      message: "the model was exported for one sum of image and text tokens",
      place: `--resolution ${printResolution(resolution)}`,
      expected: `${tokensOf(graph, "context")} text tokens: ${text === wanted ? "1 or more" : `${wanted}, as at ${printResolution(first ?? resolution)}`}`,
      found: `${text} text tokens`,
      remedy: "compile for one smaller size, or export the model with torch.onnx.export(dynamo=True)",
      exitCode: 2,
    });
  }
}

/** The usual picture, or the largest square one that leaves room for text where the sum is fixed. */
function besideText(graph: Graph, usual: Resolution, pixelsPerToken: number): Resolution {
  let side = Math.round(usual.width / pixelsPerToken);
  while (side > 1 && (textBeside(graph, side * side) ?? 1) < 1) side--;
  return { width: side * pixelsPerToken, height: side * pixelsPerToken };
}

function checkResolution(resolution: Resolution, tokens: number | undefined, pixelsPerToken: number): void {
  const place = `--resolution ${printResolution(resolution)}`;
  const near = (size: number) => Math.max(1, Math.round(size / pixelsPerToken)) * pixelsPerToken;
  const nearest = { width: near(resolution.width), height: near(resolution.height) };
  if (printResolution(nearest) !== printResolution(resolution)) {
    throw new TritcError({
      code: "TRITC_E_RESOLUTION",
      message: "no grid of image tokens fits this size",
      place,
      expected: `multiples of ${pixelsPerToken} pixels`,
      found: printResolution(resolution),
      remedy: `use ${printResolution(nearest)}`,
      exitCode: 2,
    });
  }
  const found = imageTokens(resolution, pixelsPerToken);
  if (tokens === undefined || found === tokens) return;
  throw new TritcError({
    code: "TRITC_E_RESOLUTION",
    message: "the model was exported for one picture size alone",
    place,
    expected: `${tokens} image tokens, ${pixelsPerToken}x${pixelsPerToken} pixels each`,
    found: `${found} image tokens`,
    remedy: "leave --resolution out, or export the model with dynamic axes",
    exitCode: 2,
  });
}

/** The picture of a number of tokens whose sides differ least, the wide one. */
function nearlySquare(tokens: number, pixelsPerToken: number): Resolution {
  let rows = Math.floor(Math.sqrt(tokens));
  while (tokens % rows !== 0) rows--;
  return { width: (tokens / rows) * pixelsPerToken, height: rows * pixelsPerToken };
}

/** Values of the symbols for a picture. */
export function sizesOf({ sampling }: Pick<Drawing, "sampling">, resolution: Resolution): Bindings {
  const { pixelsPerToken, textLength, steps, referenceTokens, cachesReferences = false } = sampling;
  const own = imageTokens(resolution, pixelsPerToken);
  const rest = { txt_tokens: textLength, steps };
  return cachesReferences
    ? { img_tokens: own, ref_tokens: referenceTokens, ...rest }
    : { img_tokens: own + referenceTokens, ...rest };
}

/** Values of the symbols for each picture. */
export function plannedSizes(drawing: Drawing | null): readonly Bindings[] {
  return drawing === null ? [{}] : drawing.resolutions.map((resolution) => sizesOf(drawing, resolution));
}

/** Values of the symbols that no resolution exceeds. */
export function largestSizes(drawing: Drawing | null): Bindings {
  if (drawing === null) return {};
  return plannedSizes(drawing).reduce((most, next) =>
    (next.img_tokens ?? 0) > (most.img_tokens ?? 0) ? next : most,
  );
}

/** Tokens of an input if they are a number. */
function staticTokens(graph: Graph, role: InputRole): number | undefined {
  const tokens = tokensOf(graph, role);
  return typeof tokens === "number" ? tokens : undefined;
}

/** Text tokens beside so many image tokens if the model leaves no choice. */
function textBeside(graph: Graph, pictureTokens: number): number | undefined {
  const tokens = tokensOf(graph, "context");
  const fixed = tokens !== undefined && symbolsOf(tokens).every((name) => name === "img_tokens");
  return fixed ? evaluateDim(tokens, { img_tokens: pictureTokens }) : undefined;
}

function tokensOf(graph: Graph, role: InputRole): Dim | undefined {
  const id = graph.inputs.find((input) => graph.model?.roles[input] === role);
  return id === undefined ? undefined : shapeOf(graph, id).at(-2);
}
