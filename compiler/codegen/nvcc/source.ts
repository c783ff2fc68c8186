import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KernelDefinition } from "../../../templates/kernel-definition.js";
import { writeShims } from "./clang.js";
import type { Toolkit } from "./toolkit.js";

/** A kernel's source and what its binaries are to be for. */
export interface CudaSource {
  /** The kernel's name in messages. */
  readonly id: string;
  readonly definition: KernelDefinition;
  /** The whole text, with nothing left to include. */
  readonly source: string;
  /** PTX for GPUs that came later, of the first architecture of these that has successors. */
  readonly ptx: boolean;
}

export interface BuildOptions {
  readonly toolkit: Toolkit;
  /** Folder that keeps builds; none are kept if absent. */
  readonly cache?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A compiler and how it is called, but for its input and output. */
export interface Compiler {
  readonly program: string;
  readonly flags: readonly string[];
}

/** The file that a compiler reads. */
export const SOURCE_FILE = "kernel.cu";

/** What a compiler reads: the source, and for clang what it lacks. */
export async function writeInputs(folder: string, source: string, toolkit: Toolkit): Promise<void> {
  await writeFile(join(folder, SOURCE_FILE), source);
  if (toolkit.clang !== undefined) await writeShims(folder);
}
