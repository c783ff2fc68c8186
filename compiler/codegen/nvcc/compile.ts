import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Architecture } from "../../../targets/index.js";
import type { KernelDefinition } from "../../../templates/kernel-definition.js";
import { BuildCache } from "./cache.js";
import { clangFlags } from "./clang.js";
import { compileError } from "./diagnose.js";
import {
  type BlockShape,
  checkResources,
  type KernelResources,
  parseResources,
  sharedMemoryRefusal,
} from "./resources.js";
import { inTemporaryFolder, runNvcc } from "./run.js";
import { type BuildOptions, type Compiler, type CudaSource, SOURCE_FILE, writeInputs } from "./source.js";
import type { Toolkit } from "./toolkit.js";

export interface CudaBuild {
  /** A fat binary with a cubin per architecture, or from clang PTX with a NUL at its end. */
  readonly binary: Uint8Array;
  readonly format: "fatbin" | "ptx";
  /** By ptxas, which clang does not run. */
  readonly resources: readonly KernelResources[];
}

const BINARY_FILE = "kernel.bin";

/**
 * Makes a kernel's fat binary. The same source, flags and toolkit give the same bytes.
 * Throws TRITC_E_CUDA_COMPILE with the template's line, and TRITC_E_KERNEL_RESOURCES.
 */
export async function compileCuda(kernel: CudaSource, options: BuildOptions): Promise<CudaBuild> {
  const { toolkit, signal } = options;
  const compiler = compilerOf(toolkit, kernel);
  const cache = options.cache === undefined ? undefined : new BuildCache(options.cache);
  const key = BuildCache.key(toolkit.version, ...compiler.flags, kernel.source);
  const kept = await cache?.get(key);
  if (kept !== undefined) return checked(kernel, toolkit, kept.binary, kept.log);
  const build = await inTemporaryFolder(async (folder) => {
    await writeInputs(folder, kernel.source, toolkit);
    const args = [...compiler.flags, SOURCE_FILE, "-o", BINARY_FILE];
    const { ok, output } = await runNvcc(compiler.program, args, folder, signal);
    if (!ok) {
      throw sharedMemoryRefusal(kernel.id, output) ?? (await compileError(kernel, output, compiler, options));
    }
    const binary = await readFile(join(folder, BINARY_FILE));
    // The driver takes PTX as text that ends with a NUL.
    const whole = toolkit.clang === undefined ? binary : Buffer.concat([binary, Buffer.alloc(1)]);
    return { binary: new Uint8Array(whole), log: output };
  });
  const result = checked(kernel, toolkit, build.binary, build.log);
  await cache?.put(key, build);
  return result;
}

function compilerOf({ nvcc, clang }: Toolkit, { definition, ptx }: CudaSource): Compiler {
  const architectures = architecturesOf(definition);
  const [only] = architectures;
  if (clang === undefined || only === undefined) {
    return { program: nvcc, flags: nvccFlags(architectures, ptx) };
  }
  return { program: clang.path, flags: clangFlags(clang, only) };
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
    if (!ok) throw await compileError(kernel, output, { program: options.toolkit.nvcc, flags }, options);
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

function checked(
  { id, definition }: CudaSource,
  { clang }: Toolkit,
  binary: Uint8Array,
  log: string,
): CudaBuild {
  if (clang !== undefined) return { binary, format: "ptx", resources: [] };
  const block = blockOf(definition);
  const resources = parseResources(log, block);
  for (const used of resources) checkResources(id, block, used);
  return { binary, format: "fatbin", resources };
}

/** The architectures that take a definition's kernel and not a fallback. */
function architecturesOf({ choices }: KernelDefinition): readonly Architecture[] {
  return choices.flatMap(({ problem: { device } }) => device.cuda?.architecture ?? []);
}

/** How a definition's kernel is launched. */
function blockOf({ kernel }: KernelDefinition): BlockShape {
  const [x, y, z] = kernel.workgroup;
  return { threads: x * y * z, sharedBytes: kernel.cuda?.sharedBytes ?? 0 };
}
