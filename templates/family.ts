import type { Kernel, Language } from "../ir/program/program.js";
import type { Architecture } from "../targets/cuda/architectures.js";

/** Values a template may be rendered with. */
export type TemplateValues = Readonly<Record<string, string | number | boolean | readonly TemplateItem[]>>;
export type TemplateItem =
  | string
  | number
  | Readonly<Record<string, string | number | boolean | readonly TemplateItem[]>>;

/**
 * A kernel before it has a name and a source: what `select-kernels` decides on and codegen renders.
 * Two equal definitions are one kernel.
 */
export interface KernelDefinition {
  readonly kernel: Omit<Kernel, "id" | "fallback">;
  readonly language: Language;
  /** Path of the template below `templates/`, such as `ternary-gemm/int8.wgsl.hbs`. */
  readonly template: string;
  readonly values: TemplateValues;
  /** Rows and columns of the output that one grid tile covers: [x, y, z] tile sizes. */
  readonly tile: readonly [number, number, number];
  /** The same function for a device without the features this one needs. Same tile, same layouts. */
  readonly fallback: KernelDefinition | null;
  /** CUDA: the architectures of the target that run this one and not a fallback. */
  readonly architectures?: readonly Architecture[];
}
