import { constants, existsSync } from "node:fs";
import { copyFile, mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { type PipelineConfig, readPipelineConfig } from "./pipeline-config.js";

/** The parts of an exported pipeline that a bundle needs besides the transformer. */
const PARTS: readonly string[] = [
  "scheduler",
  "text_encoder",
  "text_encoder_2",
  "tokenizer",
  "tokenizer_2",
  "vae",
  "vae_decoder",
  "vae_encoder",
];
const INDEX = "model_index.json";
const ENCODER = "text_encoder/model.onnx";

/**
 * The pipeline folder that a model belongs to: the path itself, or the folder above `transformer/`. A given folder
 * must hold a pipeline whose text encoders are ONNX, which is what the runtime reads; otherwise undefined where there is
 * none (the encoders of a Diffusers folder are PyTorch's).
 */
export function findPipeline(input: string, given: string | undefined): string | undefined {
  if (given !== undefined) {
    if (existsSync(join(given, INDEX))) {
      if (isExported(given)) return given;
      throw new TritcError({
        code: "TRITC_E_PIPELINE",
        message: "the pipeline's text encoder is not exported",
        place: given,
        expected: ENCODER,
        found: "a text_encoder folder without it",
        remedy: "export the pipeline with optimum-cli, and give that folder",
        exitCode: 2,
      });
    }
    throw new TritcError({
      code: "TRITC_E_PIPELINE",
      message: "the folder holds no exported pipeline",
      place: given,
      expected: `${INDEX} beside ${PARTS.join(", ")}`,
      remedy: "export the pipeline with optimum-cli, or leave --pipeline out",
      exitCode: 2,
    });
  }
  const near = pipelineNear(input);
  return near !== undefined && isExported(near) ? near : undefined;
}

/**
 * The configuration of the pipeline that a model belongs to, whether or not its encoders are exported. Throws the errors
 * of `readPipelineConfig`.
 */
export function pipelineConfigOf(input: string, given?: string): PipelineConfig | undefined {
  const folder = given ?? pipelineNear(input);
  return folder === undefined ? undefined : readPipelineConfig(folder);
}

/** The nearest folder with a pipeline's index: the path itself, or one above it. */
function pipelineNear(input: string): string | undefined {
  const path = resolve(input);
  return [path, dirname(path), dirname(dirname(path))].find((folder) => existsSync(join(folder, INDEX)));
}

function isExported(pipeline: string): boolean {
  return !existsSync(join(pipeline, dirname(ENCODER))) || existsSync(join(pipeline, ENCODER));
}

/** Copies the parts a pipeline has, file by file; symbolic links (download caches) are followed to files only. */
export async function copyPipeline(pipeline: string, to: string, signal?: AbortSignal): Promise<void> {
  await mkdir(to);
  await copyFile(join(pipeline, INDEX), join(to, INDEX));
  for (const part of PARTS) {
    const from = join(pipeline, part);
    if (existsSync(from)) await copyFolder(from, join(to, part), signal);
  }
}

async function copyFolder(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  await mkdir(to);
  const entries = await readdir(from, { withFileTypes: true });
  for (const entry of entries) {
    signal?.throwIfAborted();
    const source = join(from, entry.name);
    if (entry.isDirectory()) await copyFolder(source, join(to, entry.name), signal);
    else if ((await stat(source)).isFile()) {
      await copyFile(source, join(to, entry.name), constants.COPYFILE_FICLONE);
    }
  }
}
