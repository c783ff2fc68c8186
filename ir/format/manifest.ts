import { DTYPES, type DType } from "../dtype.js";
import { TritcError } from "../errors.js";
import { INPUT_ROLES, type ModelDescription, modelDescription } from "../models/index.js";
import type { ProgramPort } from "../program/program.js";
import type { PromptWeightsPolicy } from "../program/prompt-weights.js";
import { type Sampling, sampling, samplingProblem } from "../sampling/sampling.js";
import {
  type Decoder,
  decodeJson,
  dim,
  index,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  string,
} from "./decode.js";
import { ENCODINGS, type Encoding } from "./encoding.js";
import { JsonNumber, parseStrictJson } from "./strict-json.js";
import { type VaeTiles, vaeTilesProblem } from "./vae-tiles.js";

/** Marks a folder as a bundle, in the member `format` of `manifest.json`. */
export const BUNDLE_FORMAT = "tritc-bundle";
/** Raised when a runtime of the previous number could not run the new bundles. */
export const BUNDLE_FORMAT_VERSION = 3;

export const MANIFEST_FILE = "manifest.json";
export const PROGRAM_FILE = "program.json";
export const WEIGHTS_FILE = "weights.safetensors";
export const GRAPH_FILE = "graph.ir";

/** `manifest.json`: what a bundle is, and the hash of every other file in it. */
export interface Manifest {
  readonly format: typeof BUNDLE_FORMAT;
  readonly formatVersion: number;
  /** Version of the compiler. */
  readonly tritc: string;
  readonly target: string;
  /** What the model was compiled with; `storage` is how ternary codes lie in the weight file. */
  readonly options: { readonly ternarize: string; readonly activations: string; readonly storage: string };
  /** Picture sizes the memory was planned for, the default first; empty for graphs that draw none. */
  readonly resolutions: readonly { readonly width: number; readonly height: number }[];
  /** Of a VAE that the target has no room for with whole pictures: the tiles that it was planned for. */
  readonly tiles?: VaeTiles | undefined;
  /** How it is sampled; null for graphs that draw no pictures. */
  readonly sampling: Sampling | null;
  readonly model: ModelDescription | null;
  /** What the program takes and gives, by its graph and the model that was compiled. */
  readonly inputs: readonly ManifestPort[];
  readonly outputs: readonly ManifestPort[];
  readonly memory: ManifestMemory;
  readonly tensors: readonly ManifestTensor[];
  readonly kernels: readonly ManifestKernel[];
  /** Every file of the bundle but the manifest, by path with forward slashes, sorted. */
  readonly files: readonly ManifestFile[];
}

/** What the bundle takes on its target, as it was planned when it was compiled. */
export interface ManifestMemory {
  /** What the runtime does with weights that only `prompt` reads, unless it is told otherwise. */
  readonly promptWeights: PromptWeightsPolicy;
  /** Bytes of the device that were planned for; null where the target is no one device. */
  readonly limitBytes: number | null;
  /** One for each resolution, in their order; one without for a graph of one size that draws no pictures. */
  readonly plans: readonly ManifestPlan[];
}

export interface ManifestPlan {
  readonly width: number | null;
  readonly height: number | null;
  readonly textTokens: number | null;
  /** Denoising steps whose modulation is computed at once. */
  readonly steps: number | null;
  /** Most bytes on the device in each phase, to the byte, with prompt weights kept and streamed. */
  readonly keep: PhaseBytes;
  readonly stream: PhaseBytes;
  /** Bytes of the model in bf16: two a parameter, and its activations at this size; null where that is not known. */
  readonly bf16: { readonly weights: number; readonly activations: number } | null;
  /** Operations and bytes once per prompt, and of one step. */
  readonly prompt: ManifestWork;
  readonly step: ManifestWork;
}

export interface PhaseBytes {
  readonly load: number;
  readonly prompt: number;
  readonly step: number;
}

/** Operations by what is multiplied, and the bytes that launches read and write at least. */
export interface ManifestWork {
  readonly int8: number;
  readonly bf16: number;
  readonly f32: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export type ManifestPort = Omit<ProgramPort, "buffer">;

export interface ManifestTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly encoding: Encoding;
}

export interface ManifestKernel {
  readonly id: string;
  readonly family: string;
  readonly source: string;
  /** Path of the assembled module, where the target has one. */
  readonly binary: string | null;
}

export interface ManifestFile {
  readonly path: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** Members of a port but its buffer. */
export const portMembers = {
  name: string,
  role: nullable(oneOf(...INPUT_ROLES, "coefficient")),
  dtype: oneOf(...DTYPES),
  shape: list(dim),
  batchAxis: nullable(index),
} as const;
const port = object<ManifestPort>(portMembers);

const phaseBytes = object<PhaseBytes>({ load: index, prompt: index, step: index });
const work = object<ManifestWork>({
  int8: index,
  bf16: index,
  f32: index,
  readBytes: index,
  writtenBytes: index,
});

const memory = object<ManifestMemory>({
  promptWeights: oneOf("keep", "stream"),
  limitBytes: nullable(index),
  plans: list(
    object<ManifestPlan>({
      width: nullable(index),
      height: nullable(index),
      textTokens: nullable(index),
      steps: nullable(index),
      keep: phaseBytes,
      stream: phaseBytes,
      bf16: nullable(object({ weights: index, activations: index })),
      prompt: work,
      step: work,
    }),
  ),
});

const manifest: Decoder<Manifest> = object<Manifest>({
  format: oneOf(BUNDLE_FORMAT),
  formatVersion: index,
  tritc: string,
  target: string,
  options: object({ ternarize: string, activations: string, storage: string }),
  resolutions: list(object({ width: index, height: index })),
  tiles: optional(object<VaeTiles>({ latents: index, overlap: number })),
  sampling: nullable(sampling),
  model: nullable(modelDescription),
  inputs: list(port),
  outputs: list(port),
  memory,
  tensors: list(
    object<ManifestTensor>({
      name: string,
      dtype: oneOf(...DTYPES),
      shape: list(index),
      encoding: oneOf(...ENCODINGS),
    }),
  ),
  kernels: list(
    object<ManifestKernel>({ id: string, family: string, source: bundlePath, binary: nullable(bundlePath) }),
  ),
  files: list(object<ManifestFile>({ path: bundlePath, bytes: index, sha256 })),
});

/** A relative path inside the bundle: no absolute ones, no `..`, no backslashes. */
function bundlePath(value: Parameters<typeof string>[0], at: string): string {
  const path = string(value, at);
  const parts = path.split("/");
  const bad = parts.some((p) => p === "" || p === "." || p === "..") || /[\\:]|\p{Cc}/u.test(path);
  if (!bad) return path;
  throw new TritcError({
    code: "TRITC_E_BUNDLE_FORMAT",
    message: "the manifest names a file outside the bundle",
    place: MANIFEST_FILE,
    found: path,
    remedy: RECOMPILE,
  });
}

function sha256(value: Parameters<typeof string>[0], at: string): string {
  return oneOf(...[string(value, at)].filter((hex) => /^[0-9a-f]{64}$/.test(hex)))(value, at);
}

const RECOMPILE = "compile the model again; if the bundle was downloaded, download it again";

/**
 * Reads `manifest.json`. Throws TRITC_E_BUNDLE_VERSION for a bundle of another format and
 * TRITC_E_BUNDLE_FORMAT for anything that is not a manifest.
 */
export function parseManifest(text: string, place: string = MANIFEST_FILE): Manifest {
  const version = versionOf(text);
  if (version !== undefined && version > BUNDLE_FORMAT_VERSION) {
    throw new TritcError({
      code: "TRITC_E_BUNDLE_VERSION",
      message: "the bundle was written by a newer tritc",
      place,
      expected: `format version ${BUNDLE_FORMAT_VERSION}`,
      found: `format version ${version}`,
      remedy: "update tritc (npm install tritc@latest), or compile the model again with this version",
    });
  }
  if (version !== undefined && version < BUNDLE_FORMAT_VERSION) {
    throw new TritcError({
      code: "TRITC_E_BUNDLE_VERSION",
      message: "the bundle was written by an older tritc",
      place,
      expected: `format version ${BUNDLE_FORMAT_VERSION}`,
      found: `format version ${version}`,
      remedy: "compile the model again with this version",
    });
  }
  const decoded = decodeJson(text, manifest, place, RECOMPILE);
  const problem = manifestProblem(decoded);
  if (problem === undefined) return decoded;
  throw new TritcError({ code: "TRITC_E_BUNDLE_FORMAT", message: problem, place, remedy: RECOMPILE });
}

/** What is wrong with a manifest whose members are all of the right kind, or undefined. */
function manifestProblem(manifest: Manifest): string | undefined {
  const { files, kernels, model, sampling, resolutions, tiles } = manifest;
  const draws = sampling !== null && resolutions.length > 0;
  if (draws !== (model !== null)) return "the manifest does not say how the model is sampled";
  if (sampling !== null && samplingProblem(sampling) !== undefined) return samplingProblem(sampling);
  if (tiles !== undefined && vaeTilesProblem(tiles) !== undefined) return vaeTilesProblem(tiles);
  if (new Set(files.map((f) => f.path)).size < files.length) return "the manifest lists a file twice";
  if (new Set(kernels.map((k) => k.id)).size < kernels.length) return "the manifest lists a kernel twice";
  return undefined;
}

/** The format version, if the text says it is a bundle's manifest. */
function versionOf(text: string): number | undefined {
  try {
    const root = parseStrictJson(text);
    if (!(root instanceof Map) || root.get("format") !== BUNDLE_FORMAT) return undefined;
    const version: unknown = root.get("formatVersion");
    return version instanceof JsonNumber ? version.toIndex() : undefined;
  } catch {
    // `decodeJson` reports text that is no JSON.
    return undefined;
  }
}
