import { availableParallelism } from "node:os";
import type { Target } from "../../targets/index.js";
import type { KernelLanguage } from "../../templates/family.js";
import { readTemplateFile } from "../../templates/files.js";
import { renderTemplate } from "../../templates/render.js";
import type { SelectedKernel } from "../lower/index.js";
import { assembleWat } from "./assemble-wat.js";
import { compileCuda } from "./nvcc/compile.js";
import { inlineIncludes } from "./nvcc/inline-includes.js";
import type { KernelResources } from "./nvcc/resources.js";
import type { CudaSource } from "./nvcc/source.js";
import { findToolkit, type Toolkit, type ToolkitSearch } from "./nvcc/toolkit.js";
import { mapParallel } from "./parallel.js";

/** What a bundle's kernels come as. source: CUDA without binaries, which a machine with nvcc has to make. */
export type Emit = "binary" | "source";

/** A kernel's source text and, for WebAssembly and CUDA, its module. */
export interface KernelArtifact {
  readonly id: string;
  readonly family: string;
  readonly language: KernelLanguage;
  /** CUDA: whole, with nothing left to include. */
  readonly source: string;
  readonly binary: Uint8Array | null;
  /** What the binary is, and its file name's ending. */
  readonly format: "wasm" | "fatbin" | "ptx" | null;
  /** CUDA with a binary: what it takes on each architecture. */
  readonly resources: readonly KernelResources[];
}

export interface GenerateOptions {
  readonly target: Target;
  /** binary if absent. */
  readonly emit?: Emit | undefined;
  /** Folder that keeps compiled CUDA kernels; none are kept if absent. */
  readonly cache?: string | undefined;
  /** Where to look for nvcc; see `findToolkit`. */
  readonly toolkit?: ToolkitSearch | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onKernel?: ((done: number, total: number) => void) | undefined;
}

/**
 * Renders every kernel of a program, assembles those in WebAssembly text and compiles those in CUDA, as many at once
 * as there are processors. Throws TRITC_E_ASSEMBLE; TRITC_E_NVCC, TRITC_E_TOOLKIT, TRITC_E_CUDA_COMPILE and
 * TRITC_E_KERNEL_RESOURCES.
 */
export async function generateKernels(
  kernels: readonly SelectedKernel[],
  options: GenerateOptions,
): Promise<readonly KernelArtifact[]> {
  let done = 0;
  const counted = <T>(result: T): T => {
    options.onKernel?.(++done, kernels.length);
    return result;
  };
  if (options.target.language === "cuda") {
    const build = await cudaBuilder(options);
    const work = async (kernel: SelectedKernel, signal: AbortSignal) => counted(await build(kernel, signal));
    return mapParallel(kernels, availableParallelism(), work, options.signal);
  }
  const artifacts: KernelArtifact[] = [];
  for (const kernel of kernels) artifacts.push(counted(await assemble(kernel)));
  return artifacts;
}

async function assemble({ kernel, definition }: SelectedKernel): Promise<KernelArtifact> {
  const { language, template, values } = definition;
  const source = renderTemplate(template, values);
  const binary = language === "wat" ? await assembleWat(source, `${template} (${kernel.id})`) : null;
  return {
    id: kernel.id,
    family: kernel.family,
    language,
    source,
    binary,
    format: binary && "wasm",
    resources: [],
  };
}

/** Makes CUDA kernels with one toolkit, or sources without any. */
async function cudaBuilder(
  options: GenerateOptions,
): Promise<(kernel: SelectedKernel, signal: AbortSignal) => Promise<KernelArtifact>> {
  const { target, cache } = options;
  const toolkit = await toolkitFor(options);
  return async (selected, signal) => {
    const source = cudaSource(selected, target.cuda?.ptx === true);
    const { id, family } = selected.kernel;
    const artifact = { id, family, language: "cuda", source: source.source } as const;
    if (toolkit === undefined) return { ...artifact, binary: null, format: null, resources: [] };
    return { ...artifact, ...(await compileCuda(source, { toolkit, cache, signal })) };
  };
}

/**
 * The CUDA toolkit that kernels will be made with, undefined where they take none. Throws TRITC_E_NVCC and
 * TRITC_E_TOOLKIT.
 */
export async function toolkitFor(
  options: Pick<GenerateOptions, "target" | "emit" | "toolkit">,
): Promise<Toolkit | undefined> {
  const { cuda, name } = options.target;
  if (cuda === undefined || options.emit === "source") return undefined;
  return findToolkit(cuda.architectures, `target ${name}`, options.toolkit);
}

/** A kernel's whole source. */
export function cudaSource({ kernel, definition }: SelectedKernel, ptx: boolean): CudaSource {
  const { template, values } = definition;
  const rendered = renderTemplate(template, values);
  const source = inlineIncludes(rendered, `templates/${template}`, readTemplateFile);
  return { id: kernel.id, definition, source, ptx };
}
