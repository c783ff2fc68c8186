import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { MANIFEST_FILE } from "../../ir/format/manifest.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { ModelDescription } from "../../ir/models/index.js";
import type { Sampling } from "../../ir/sampling/sampling.js";
import { type OpenedBundle, openBundle } from "../../runtime/node/bundle.js";
import { type OpenDeviceOptions, openDevice } from "../../runtime/node/open-device.js";
import type { TextLength } from "../../runtime/node/pipeline-models.js";
import { notASampler, requireSampler } from "../../runtime/sampler.js";
import { findPipeline } from "../bundle/pipeline-files.js";
import { readBundleGraph } from "../bundle/read-graph.js";
import { readTeacher, type TeacherRequest } from "../calibrate/teacher.js";
import { writeTransformer } from "../calibrate/transformer.js";
import { type FileReader, fileReader } from "../file-reader.js";
import type { Resolution } from "../resolutions.js";
import { bundlePredictor, ortPredictor, type Predictor } from "./predictor.js";

/** A model that is compared. Its weights are read when it is opened. */
export interface ComparedModel {
  readonly path: string;
  /** The target whose kernels run; null for ONNX Runtime. */
  readonly target: string | null;
  readonly model: ModelDescription;
  /** How it draws where nobody says otherwise. */
  readonly sampling: Sampling;
  readonly resolution: Resolution;
  readonly textLength: TextLength;
  /** Throws where the device that it runs on is not here. */
  requireDevice(options: OpenDeviceOptions): Promise<void>;
  /** `folder` is new, and there as long as the model is open. */
  open(folder: string, options: OpenOptions): Promise<Predictor>;
  /** What it computes; the reader closes with the model. */
  graph(): Promise<{ readonly graph: Graph; readonly reader: FileReader }>;
  close(): void;
}

export interface OpenOptions extends OpenDeviceOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onWeights?: ((done: number, total: number) => void) | undefined;
}

export type ModelRequest = Omit<TeacherRequest, "input">;

/** A bundle, or a model as `compileModel` takes it. Throws those of `openBundle` and `readTeacher`, and TRITC_E_NOT_A_SAMPLER. */
export function readCompared(path: string, request: ModelRequest): Promise<ComparedModel> {
  return isBundle(path) ? readBundle(path) : Promise.resolve(readModel(path, request));
}

function readModel(path: string, request: ModelRequest): ComparedModel {
  const reader = fileReader();
  try {
    const teacher = readTeacher({ input: path, ...request }, reader);
    const { model, sampling, resolution, textLength, graph } = teacher;
    return {
      ...{ path, target: null, model, sampling, resolution, textLength },
      requireDevice: () => Promise.resolve(),
      async open(folder, { threads, signal, onWeights: onProgress }) {
        await mkdir(folder);
        const written = await writeTransformer(teacher, folder, { reader, signal, onProgress });
        const predictor = await ortPredictor(written, model, path, threads);
        return {
          ...predictor,
          async close() {
            await predictor.close();
            await rm(folder, { recursive: true });
          },
        };
      },
      graph: () => Promise.resolve({ graph, reader }),
      close: () => reader.close(),
    };
  } catch (error) {
    reader.close();
    throw error;
  }
}

async function readBundle(path: string): Promise<ComparedModel> {
  const bundle = await openBundle(path);
  const { program, manifest } = bundle;
  const model = requireSampler(program, path);
  const { sampling, resolutions } = manifest;
  const [resolution] = resolutions;
  if (sampling === null || resolution === undefined)
    throw new Error("a manifest with a model says how it is sampled");
  if (sampling.condition === "control" || sampling.condition === "fill")
    throw notASampler("a model that is given pictures", path);
  const tokens = program.inputs.find(({ role }) => role === "context")?.shape.at(-2);
  const readers: FileReader[] = [];
  return {
    ...{ path, target: manifest.target, model, sampling, resolution },
    textLength: {
      exactly: typeof tokens === "number" ? tokens : undefined,
      preferably: sampling.textLength,
    },
    async requireDevice(options) {
      await (await openDevice(program.target, options)).close();
    },
    open: (_, options) => bundlePredictor(bundle, options),
    async graph() {
      const found = await readBundleGraph(path);
      readers.push(found.reader);
      return found;
    },
    close() {
      for (const reader of readers) reader.close();
    },
  };
}

/** Tokenizers, text encoders, VAE and scheduler. */
export interface Pipeline {
  readonly folder: string;
  /** The bundle whose own pipeline it is. */
  readonly bundle?: OpenedBundle;
}

/** The given pipeline, or that of the first of the models that has one. Throws TRITC_E_PIPELINE. */
export async function pipelineOf(paths: readonly string[], given: string | undefined): Promise<Pipeline> {
  for (const path of paths) {
    const own = join(path, "pipeline");
    if (given === undefined && isBundle(path)) {
      if (!existsSync(own)) continue;
      const bundle = await openBundle(path);
      return { folder: own, bundle };
    }
    const folder = findPipeline(path, given);
    if (folder !== undefined) return { folder };
  }
  throw new TritcError({
    code: "TRITC_E_PIPELINE",
    message: "none of the models has a pipeline to draw with",
    place: paths.join(", "),
    expected: "a folder of model_index.json, tokenizers, text encoders and VAE as ONNX or compiled",
    remedy:
      "give with --pipeline the folder of an exported pipeline, or pipeline/ of a bundle that a whole Diffusers folder was compiled to",
    exitCode: 2,
  });
}

/** Throws TRITC_E_COMPARE where a model does not take the reference's latents and text. */
export function requireAlike(reference: ComparedModel, other: ComparedModel): void {
  const [expected, found] = [reference, other].map(
    ({ model: { family, inChannels, outChannels, contextDim, pooledDim } }) =>
      `${family}: latents of ${inChannels} channels, ${outChannels} predicted, text of ${contextDim} and ${pooledDim}`,
  );
  if (expected === found) return;
  throw new TritcError({
    code: "TRITC_E_COMPARE",
    message: "the models do not read the same latents and text",
    place: other.path,
    expected: `${expected}, as ${reference.path}`,
    ...(found === undefined ? {} : { found }),
    remedy: "compare models of one kind",
    exitCode: 2,
  });
}

export function isBundle(path: string): boolean {
  return existsSync(join(path, MANIFEST_FILE));
}
