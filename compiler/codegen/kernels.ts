import type { KernelLanguage } from "../../templates/family.js";
import { renderTemplate } from "../../templates/render.js";
import type { SelectedKernel } from "../lower/index.js";
import { assembleWat } from "./assemble-wat.js";

/** A kernel's source text and, for WebAssembly, its module. */
export interface KernelArtifact {
  readonly id: string;
  readonly family: string;
  readonly language: KernelLanguage;
  readonly source: string;
  readonly binary: Uint8Array | null;
}

/** Renders every kernel of a program, and assembles those in WebAssembly text. */
export async function generateKernels(
  kernels: readonly SelectedKernel[],
  onKernel?: (done: number, total: number) => void,
): Promise<readonly KernelArtifact[]> {
  const artifacts: KernelArtifact[] = [];
  for (const { kernel, definition } of kernels) {
    const { language, template, values } = definition;
    const source = renderTemplate(template, values);
    const binary = language === "wat" ? await assembleWat(source, `${template} (${kernel.id})`) : null;
    artifacts.push({ id: kernel.id, family: kernel.family, language, source, binary });
    onKernel?.(artifacts.length, kernels.length);
  }
  return artifacts;
}
