import { availableParallelism } from "node:os";
import { join } from "node:path";
import { cudaSource } from "../../compiler/codegen/generate-kernels.js";
import { compileCuda } from "../../compiler/codegen/nvcc/compile.js";
import type { KernelResources } from "../../compiler/codegen/nvcc/resources.js";
import type { CudaSource } from "../../compiler/codegen/nvcc/source.js";
import type { Toolkit } from "../../compiler/codegen/nvcc/toolkit.js";
import { mapParallel } from "../../compiler/codegen/parallel.js";
import { compileGraph, importAndRecognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import type { ByteReader } from "../../ir/constant/constant.js";
import type { Bindings } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import { type Activations, type Architecture, cudaPortable, type Target } from "../../targets/index.js";
import { FLUX_DEV_KERNELS, fluxGraph } from "../flux-graph.js";
import { madeUpWeights, vaeDecoderGraph } from "../vae-graph.js";

/** A kernel for one architecture. */
export interface CheckedKernel {
  /** All that have it. */
  readonly models: readonly string[];
  readonly activations: Activations;
  readonly group: GroupSize | "row";
  readonly architecture: Architecture;
  readonly kernel: CudaSource;
}

/** What nvcc made of it: its resources, or why it is refused. */
export interface CheckResult extends CheckedKernel {
  readonly resources: KernelResources | null;
  readonly error: TritcError | null;
}

export interface CheckOptions {
  readonly architectures: readonly Architecture[];
  readonly activations: readonly Activations[];
  /** Inputs of a row that share a scale. */
  readonly groups: readonly (GroupSize | "row")[];
  /** Folder with `shapes/transformer/model.onnx`. */
  readonly models: string;
  /** Whether the kernels of FLUX.1's VAE count too. */
  readonly vae?: boolean;
}

interface Model {
  readonly name: string;
  readonly graph: Graph;
  readonly reader: ByteReader;
  readonly sizes: Bindings;
  /** What matrices and convolutions multiply; f32 if absent. */
  readonly products?: "tf32";
}

/**
 * Every kernel of the shapes model and of FLUX.1-dev, and of its decoder of pictures if asked for, as a compilation for a GPU of each architecture selects them, each
 * once. FLUX.1-dev has no weights: what is read to tell groups that they hold counts up.
 */
export async function cudaKernels(options: CheckOptions): Promise<readonly CheckedKernel[]> {
  const reader = fileReader();
  try {
    const shapes = importAndRecognize(join(options.models, "shapes", "transformer", "model.onnx"), reader);
    const models: readonly Model[] = [
      { name: "shapes", graph: shapes, reader, sizes: { img_tokens: 16, txt_tokens: 12, steps: 50 } },
      {
        name: "FLUX.1-dev",
        graph: fluxGraph(FLUX_DEV_KERNELS),
        reader: { read: (_, offset, length) => Uint8Array.from({ length }, (_, i) => offset + i) },
        sizes: { img_tokens: 4096, txt_tokens: 512, steps: 50 },
      },
    ];
    const decoder: Model = {
      name: "FLUX.1 VAE",
      graph: vaeDecoderGraph(),
      reader: madeUpWeights,
      sizes: { latent_height: 128, latent_width: 128 },
      products: "tf32",
    };
    const kernels: CheckedKernel[] = [];
    for (const architecture of options.architectures) {
      for (const activations of options.activations) {
        for (const group of options.groups) {
          for (const model of options.vae === true ? [...models, decoder] : models) {
            kernels.push(...(await kernelsOf(model, { architecture, activations, group })));
          }
        }
      }
    }
    return distinct(kernels);
  } finally {
    reader.close();
  }
}

/** A target of one architecture and any amount of memory. */
export function targetFor(architecture: Architecture): Target {
  return {
    ...cudaPortable,
    name: architecture,
    cuda: { architectures: [architecture], ptx: false, gpu: null },
  };
}

async function kernelsOf(
  model: Model,
  variant: Pick<CheckedKernel, "architecture" | "activations" | "group">,
): Promise<readonly CheckedKernel[]> {
  const { architecture, activations, group } = variant;
  const { lowered } = await compileGraph(model.graph, model.reader, {
    target: targetFor(architecture),
    options: { ternarize: "exact", activations, group },
    sizes: model.sizes,
    products: model.products,
    batchAxes: new Map(),
    codegen: { emit: "source" },
  });
  return lowered.kernels.map((selected) => ({
    models: [model.name],
    ...variant,
    kernel: cudaSource(selected, false),
  }));
}

/** Each source once, as it is met first, with all models that have it. */
function distinct(kernels: readonly CheckedKernel[]): readonly CheckedKernel[] {
  const first = new Map<string, CheckedKernel>();
  for (const checked of kernels) {
    const key = `${checked.architecture}\n${checked.kernel.source}`;
    const { models = [] } = first.get(key) ?? {};
    first.set(key, { ...checked, ...first.get(key), models: [...new Set([...models, ...checked.models])] });
  }
  return [...first.values()];
}

/** Compiles all of them. What nvcc or the resource check refuses is a result; any other failure is thrown. */
export function checkKernels(
  kernels: readonly CheckedKernel[],
  toolkit: Toolkit,
  options: { readonly cache?: string; readonly onKernel?: (done: number, total: number) => void } = {},
): Promise<readonly CheckResult[]> {
  let done = 0;
  return mapParallel(kernels, availableParallelism(), async (checked, signal) => {
    const result = await check(checked, toolkit, options.cache, signal);
    options.onKernel?.(++done, kernels.length);
    return result;
  });
}

async function check(
  checked: CheckedKernel,
  toolkit: Toolkit,
  cache: string | undefined,
  signal: AbortSignal,
): Promise<CheckResult> {
  try {
    const { resources } = await compileCuda(checked.kernel, { toolkit, cache, signal });
    return { ...checked, resources: resources[0] ?? null, error: null };
  } catch (error) {
    if (!(error instanceof TritcError)) throw error;
    return { ...checked, resources: null, error };
  }
}
