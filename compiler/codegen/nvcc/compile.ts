import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Architecture } from "../../../targets/index.js";
import type { KernelDefinition } from "../../../templates/family.js";
import { BuildCache } from "./cache.js";
import { compileError } from "./diagnose.js";
import {
  type BlockShape,
  checkResources,
  type KernelResources,
  parseResources,
  sharedMemoryRefusal,
} from "./resources.js";
import { inTemporaryFolder, runNvcc } from "./run.js";
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

export interface CudaBuild {
  /** A fat binary with a cubin per architecture. */
  readonly binary: Uint8Array;
  readonly resources: readonly KernelResources[];
}

export interface BuildOptions {
  readonly toolkit: Toolkit;
  /** Folder that keeps builds; none are kept if absent. */
  readonly cache?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const SOURCE_FILE = "kernel.cu";
const BINARY_FILE = "kernel.fatbin";

/**
 * Makes a kernel's fat binary. The same source, flags and toolkit give the same bytes.
 * Throws TRITC_E_CUDA_COMPILE with the template's line, and TRITC_E_KERNEL_RESOURCES.
 */
export async function compileCuda(kernel: CudaSource, options: BuildOptions): Promise<CudaBuild> {
  const { toolkit, signal } = options;
  const { definition, source } = kernel;
  const flags = nvccFlags(definition.architectures ?? [], kernel.ptx);
  const cache = options.cache === undefined ? undefined : new BuildCache(options.cache);
  const key = BuildCache.key(toolkit.version, ...flags, source);
  const kept = await cache?.get(key);
  if (kept !== undefined) return checked(kernel, kept.binary, kept.log);
  const build = await inTemporaryFolder(async (folder) => {
    await writeFile(join(folder, SOURCE_FILE), source);
    const { ok, output } = await runNvcc(
      toolkit.nvcc,
      [...flags, SOURCE_FILE, "-o", BINARY_FILE],
      folder,
      signal,
    );
    if (!ok) {
      throw sharedMemoryRefusal(kernel.id, output) ?? (await compileError(kernel, output, flags, options));
    }
    return { binary: new Uint8Array(await readFile(join(folder, BINARY_FILE))), log: output };
  });
  const result = checked(kernel, build.binary, build.log);
  await cache?.put(key, build);
  return result;
}

/** The PTX of a kernel for one architecture, as nvcc writes it. */
export async function compileToPtx(
  kernel: CudaSource,
  architecture: Architecture,
  options: BuildOptions,
): Promise<string> {
  const flags = ["-ptx", ...LANGUAGE, `-arch=${architecture}`];
  return inTemporaryFolder(async (folder) => {
    await writeFile(join(folder, SOURCE_FILE), kernel.source);
    const args = [...flags, SOURCE_FILE, "-o", "kernel.ptx"];
    const { ok, output } = await runNvcc(options.toolkit.nvcc, args, folder, options.signal);
    if (!ok) throw await compileError(kernel, output, flags, options);
    return readFile(join(folder, "kernel.ptx"), "utf8");
  });
}

/** The architecture whose PTX a fat binary gets: the first with successors that run what it runs. */
export function ptxArchitecture(architectures: readonly Architecture[]): Architecture | undefined {
  return architectures.find((architecture) => !architecture.endsWith("a"));
}

const LANGUAGE = ["-std=c++17", "-O3", "-Wno-deprecated-gpu-targets"] as const;

function nvccFlags(architectures: readonly Architecture[], ptx: boolean): readonly string[] {
  const virtual = (architecture: Architecture) => architecture.replace("sm_", "compute_");
  const codes = architectures.map((architecture) => [virtual(architecture), architecture] as const);
  const oldest = ptx ? ptxArchitecture(architectures) : undefined;
  if (oldest !== undefined) codes.push([virtual(oldest), virtual(oldest) as Architecture]);
  const gencode = codes.flatMap(([arch, code]) => ["-gencode", `arch=${arch},code=${code}`]);
  return ["-fatbin", ...LANGUAGE, ...gencode, "-Xptxas", "-v"];
}

function checked({ id, definition }: CudaSource, binary: Uint8Array, log: string): CudaBuild {
  const block = blockOf(definition);
  const resources = parseResources(log, block);
  for (const used of resources) checkResources(id, block, used);
  return { binary, resources };
}

/** How a definition's kernel is launched. */
function blockOf({ kernel }: KernelDefinition): BlockShape {
  const [x, y, z] = kernel.workgroup;
  return { threads: x * y * z, sharedBytes: kernel.cuda?.sharedBytes ?? 0 };
}
