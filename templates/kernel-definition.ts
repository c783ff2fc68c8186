import type { Kernel, Language } from "../ir/program/program.js";
import type { Choice } from "./choice/choose.js";
import type { TemplateValues } from "./template-values.js";

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
  /** Why this kernel, for each kind of device of the target that runs it and not a fallback. */
  readonly choices: readonly Choice[];
}
