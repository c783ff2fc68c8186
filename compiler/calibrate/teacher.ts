import { TritcError } from "../../ir/errors.js";
import { shapeOf } from "../../ir/graph/graph.js";
import {
  familyOf,
  type LatentLayout,
  type ModelDescription,
  roleOf,
  TXT_TOKENS,
} from "../../ir/models/index.js";
import type { Sampling } from "../../ir/sampling/sampling.js";
import type { EncodedPrompt, TextLength } from "../../runtime/node/pipeline-models.js";
import { findPipeline, pipelineConfigOf } from "../bundle/pipeline-files.js";
import { runNeeds } from "../bundle/run-needs.js";
import { drawingOf } from "../drawing.js";
import type { FileReader } from "../file-reader.js";
import { importModel } from "../import-model.js";
import { modelName } from "../model-name.js";
import { type Ports, portsOfModel } from "../onnx-export/ports.js";
import { batchAxesOf, type NeedsFlux, recognition, requireFlux } from "../recognize/recognition.js";
import type { Resolution } from "../resolutions.js";
import type { BatchedGraph } from "./transformer.js";

/** A full-precision model that draws from text alone, and how it does. */
export interface Teacher extends BatchedGraph {
  readonly model: ModelDescription;
  /** What goes in and out under the names that the model's file has. */
  readonly ports: Ports;
  /** Folder of its tokenizers and text encoders. */
  readonly pipeline: string;
  readonly layout: LatentLayout;
  readonly sampling: Sampling;
  readonly resolution: Resolution;
  readonly textLength: TextLength;
}

export interface TeacherRequest {
  readonly input: string;
  readonly pipeline?: string | undefined;
  readonly resolution?: Resolution | undefined;
  readonly textLength?: number | undefined;
}

/**
 * Reads a model, but for its weights. Throws TRITC_E_NOT_FLUX, TRITC_E_NOT_A_SAMPLER for one that needs more than text,
 * TRITC_E_PIPELINE, and the errors of `importModel` and `drawingOf`.
 */
export function readTeacher({ input, textLength, ...request }: TeacherRequest, reader: FileReader): Teacher {
  const imported = { ...importModel(input), name: modelName(input) };
  const found = recognition(imported, reader);
  requireFlux(found, NEEDS_FLUX);
  const { graph } = found;
  const pipeline = findPipeline(input, request.pipeline);
  if (pipeline === undefined) throw noPipeline(input);
  const resolutions = request.resolution === undefined ? [] : [request.resolution];
  const drawing = drawingOf(graph, { resolutions, textLength, pipeline: pipelineConfigOf(input, pipeline) });
  const { model } = graph;
  if (drawing === null || model === undefined) throw new Error("a recognized model draws");
  const { sampling } = drawing;
  const [need] = runNeeds(graph, sampling, false);
  if (need !== undefined) throw needsMore(input, need);
  const batchAxes = batchAxesOf(imported, graph);
  const context = graph.inputs.find((id) => roleOf(model, id) === "context");
  const isFree = context !== undefined && shapeOf(graph, context).at(-2) === TXT_TOKENS;
  return {
    graph,
    batchAxes,
    model,
    ports: portsOfModel(imported, graph, batchAxes),
    pipeline,
    layout: familyOf(model).latents,
    sampling,
    resolution: drawing.resolutions[0],
    textLength: {
      exactly: isFree ? textLength : sampling.textLength,
      preferably: sampling.textLength,
    },
  };
}

const NEEDS_FLUX: NeedsFlux = {
  code: "TRITC_E_NOT_FLUX",
  message: "no FLUX transformer was recognized, so there is nothing that draws from text",
  remedy: "tritc inspect lists what was not recognized",
};

function noPipeline(input: string): TritcError {
  return new TritcError({
    code: "TRITC_E_PIPELINE",
    message: "the model has no pipeline beside it whose text encoders can run",
    place: input,
    expected:
      "a folder of model_index.json, tokenizers, and text encoders that were compiled or exported as ONNX",
    remedy:
      "compile the whole Diffusers folder and give that bundle with --pipeline, or the folder of an exported pipeline",
    exitCode: 2,
  });
}

function needsMore(place: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_NOT_A_SAMPLER",
    message: "this model does not draw from text alone",
    place,
    expected:
      "a FLUX transformer whose only inputs are one picture's latents, text, timestep, guidance and ids",
    found,
    remedy: "take the model of text that it was made from",
  });
}

/** Throws TRITC_E_PIPELINE where text encoders give vectors of other widths than the model takes. */
export function requirePipelineOf(
  { contextDim, pooledDim }: ModelDescription,
  { contextWidth, pooledWidth }: EncodedPrompt,
  place: string,
): void {
  if (contextWidth === contextDim && pooledWidth === (pooledDim ?? 0)) return;
  throw new TritcError({
    code: "TRITC_E_PIPELINE",
    message: "the pipeline's text encoders are not the model's",
    place,
    expected: `${contextDim} channels of text, and ${pooledDim ?? 0} of its summary`,
    found: `${contextWidth} and ${pooledWidth}`,
    remedy: "give the folder of the pipeline that the model belongs to with --pipeline",
    exitCode: 2,
  });
}
