import { availableParallelism } from "node:os";
import type { Language } from "../../ir/program/program.js";
import type { Target } from "../../targets/index.js";
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
  readonly language: Language;
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
  const make = await MAKERS[options.target.language](options);
  const work = async (selected: SelectedKernel, signal: AbortSignal) => {
    const { id, family } = selected.kernel;
    const made = await make(selected, signal);
    return counted({ id, family, language: selected.definition.language, ...made });
  };
  return mapParallel(kernels, availableParallelism(), work, options.signal);
}

/** Makes one kernel. */
type Maker = (
  kernel: SelectedKernel,
  signal: AbortSignal,
) => Promise<Omit<KernelArtifact, "id" | "family" | "language">>;

/** How kernels of a language are made, once what that takes is found. */
const MAKERS: Readonly<Record<Language, (options: GenerateOptions) => Promise<Maker>>> = {
  wat: async () => async (selected) => {
    const source = rendered(selected);
    const binary = await assembleWat(source, `${selected.definition.template} (${selected.kernel.id})`);
    return { source, binary, format: "wasm", resources: [] };
  },
  wgsl: async () => async (selected) => sourceOnly(rendered(selected)),
  async cuda(options) {
    const { target, cache } = options;
    const toolkit = await toolkitFor(options);
    return async (selected, signal) => {
      const source = cudaSource(selected, target.cuda?.ptx === true);
      if (toolkit === undefined) return sourceOnly(source.source);
      return { source: source.source, ...(await compileCuda(source, { toolkit, cache, signal })) };
    };
  },
};

function sourceOnly(source: string): Awaited<ReturnType<Maker>> {
  return { source, binary: null, format: null, resources: [] };
}

function rendered({ definition }: SelectedKernel): string {
  return renderTemplate(definition.template, definition.values);
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
export function cudaSource(selected: SelectedKernel, ptx: boolean): CudaSource {
  const { kernel, definition } = selected;
  const source = inlineIncludes(rendered(selected), `templates/${definition.template}`, readTemplateFile);
  return { id: kernel.id, definition, source, ptx };
}
