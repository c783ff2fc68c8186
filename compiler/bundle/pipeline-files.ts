import { constants, existsSync } from "node:fs";
import { copyFile, mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { MANIFEST_FILE } from "../../ir/format/manifest.js";
import type { NetworkName } from "../networks/part.js";
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
const CONFIG = "config.json";
const ENCODERS = ["text_encoder/model.onnx", `text_encoder/${MANIFEST_FILE}`] as const;

/**
 * The pipeline folder that a model belongs to: the path itself, or the folder above `transformer/`; undefined where there is
 * none. A bundle stands for the one that it carries. Throws TRITC_E_PIPELINE for a given folder that is none.
 */
export function pipelineFolder(input: string, given: string | undefined): string | undefined {
  if (given === undefined) return pipelineNear(input);
  const carried = join(given, "pipeline");
  if (existsSync(join(given, MANIFEST_FILE)) && existsSync(join(carried, INDEX))) return carried;
  if (existsSync(join(given, INDEX))) return given;
  throw new TritcError({
    code: "TRITC_E_PIPELINE",
    message: "the folder holds no pipeline",
    place: given,
    expected: `${INDEX} beside ${PARTS.join(", ")}`,
    remedy: "give a Diffusers folder, or a pipeline that optimum-cli has exported; or leave --pipeline out",
    exitCode: 2,
  });
}

/**
 * The pipeline folder that a model belongs to, if its networks can run as they are. A given folder must hold such a pipeline:
 * one whose text encoders are ONNX, or that of a bundle. Undefined where there is none: the encoders of a Diffusers folder
 * have to be compiled first.
 */
export function findPipeline(input: string, given: string | undefined): string | undefined {
  const folder = pipelineFolder(input, given);
  if (folder === undefined || canRun(folder)) return folder;
  if (given === undefined) return undefined;
  throw new TritcError({
    code: "TRITC_E_PIPELINE",
    message: "the pipeline's text encoders cannot run as they are",
    place: given,
    expected: ENCODERS.join(" or "),
    found: "a text_encoder folder without it",
    remedy: `compile the whole folder, tritc compile ${given} --target cpu -o <bundle>, and give the bundle; or export it with optimum-cli`,
    exitCode: 2,
  });
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

/** Whether networks run without being compiled, or there are none. */
export function canRun(pipeline: string): boolean {
  return (
    !existsSync(join(pipeline, "text_encoder")) || ENCODERS.some((file) => existsSync(join(pipeline, file)))
  );
}

/**
 * Copies the parts a pipeline has, file by file; symbolic links (download caches) are followed to files only. Of the
 * parts of networks that are compiled, configurations alone.
 */
export async function copyPipeline(
  pipeline: string,
  to: string,
  compiled: readonly NetworkName[],
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(to, { recursive: true });
  await copyFile(join(pipeline, INDEX), join(to, INDEX));
  const names: readonly string[] = compiled;
  const hasVae = names.some((name) => name.startsWith("vae"));
  for (const part of PARTS) {
    const from = join(pipeline, part);
    if (!existsSync(from) || names.includes(part)) continue;
    if (part !== "vae" || !hasVae) await copyFolder(from, join(to, part), signal);
    else {
      await mkdir(join(to, part));
      await copyFile(join(from, CONFIG), join(to, part, CONFIG));
    }
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
