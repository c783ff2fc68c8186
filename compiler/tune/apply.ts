import { createHash } from "node:crypto";
import { copyFile, link, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MANIFEST_FILE, type Manifest, PROGRAM_FILE } from "../../ir/format/manifest.js";
import { printProgram } from "../../ir/program/json.js";
import type { Kernel, Program } from "../../ir/program/program.js";
import { verifyProgram } from "../../ir/program/verify.js";
import type { Target } from "../../targets/index.js";
import { kernelFiles } from "../bundle/kernel-files.js";
import type { WorkFolder } from "../bundle/work-folder.js";
import { generateKernels, type KernelArtifact } from "../codegen/generate-kernels.js";
import type { SelectedKernel } from "../lower/index.js";
import { printRecords, type Records, TUNING_FILE } from "../tuning/records.js";
import type { BundleProgram } from "./programs.js";

/** A program with other chains of kernels in the place of those of the same names, and grids of their tiles. */
export function withChains(program: Program, chains: readonly (readonly SelectedKernel[])[]): Program {
  const heads = new Map(
    chains.flatMap((chain) => (chain[0] === undefined ? [] : [[chain[0].kernel.id, chain]])),
  );
  const known = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  const replaced = new Set([...heads.keys()].flatMap((id) => idsOf(id, known)));
  const kernels = program.kernels.flatMap((kernel): readonly Kernel[] => {
    const chain = heads.get(kernel.id);
    if (chain !== undefined) return chain.map((selected) => selected.kernel);
    return replaced.has(kernel.id) ? [] : [kernel];
  });
  const phases = program.phases.map((phase) => ({
    ...phase,
    launches: phase.launches.map((launch) => {
      const tile = heads.get(launch.kernel)?.[0]?.definition.tile;
      if (tile === undefined) return launch;
      return { ...launch, grid: launch.grid.map(({ size }, axis) => ({ size, tile: tile[axis] ?? 1 })) };
    }),
  }));
  const changed = { ...program, kernels, phases };
  verifyProgram(changed);
  return changed;
}

/** A kernel and its fallbacks. */
function idsOf(id: string, kernels: ReadonlyMap<string, Kernel>): readonly string[] {
  const fallback = kernels.get(id)?.fallback ?? null;
  return [id, ...(fallback === null ? [] : idsOf(fallback, kernels))];
}

/** The kernels of a program that become others. */
export interface Change {
  readonly program: Pick<BundleProgram, "path" | "bundle">;
  readonly chains: readonly (readonly SelectedKernel[])[];
}

/** A bundle as it is, and what becomes of it. */
export interface Rewriting {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly changes: readonly Change[];
  readonly records: Records;
  readonly target: Target;
  /** Folder that keeps compiled CUDA kernels. */
  readonly cache?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Files by path. */
type Files = ReadonlyMap<string, string | Uint8Array>;

/** What other kernels make of a bundle; paths are in its folder. */
interface Changed {
  readonly kernels: Manifest["kernels"];
  /** New ones, and such as are written anew. */
  readonly fresh: Files;
  readonly gone: ReadonlySet<string>;
}

/**
 * Fills a work folder with a bundle that has other kernels, its own and those of its pipeline's networks, and the records. Files
 * that stay are linked rather than copied, so that weights of any size take no time.
 */
export async function rewriteBundle(
  work: WorkFolder,
  { folder, manifest, changes, records, target, cache, signal }: Rewriting,
): Promise<void> {
  const fresh = new Map<string, string | Uint8Array>([[TUNING_FILE, printRecords(records.all)]]);
  const gone = new Set<string>();
  let { kernels } = manifest;
  for (const { program, chains } of changes) {
    if (chains.length === 0) continue;
    const { path, bundle } = program;
    const changed = await changedBundle(bundle, chains, { target, cache, signal });
    for (const [file, contents] of changed.fresh) fresh.set(`${path}${file}`, contents);
    for (const file of changed.gone) gone.add(`${path}${file}`);
    if (path === "") kernels = changed.kernels;
    else fresh.set(`${path}${MANIFEST_FILE}`, printManifest(bundle.manifest, changed));
  }
  for (const path of [...new Set([...manifest.files.map((file) => file.path), ...fresh.keys()])]) {
    if (gone.has(path)) continue;
    signal?.throwIfAborted();
    const to = join(work.bundle, path);
    await mkdir(dirname(to), { recursive: true });
    const contents = fresh.get(path);
    if (contents === undefined) await linkOrCopy(join(folder, path), to);
    else await writeFile(to, contents, { flush: true });
  }
  const written = printManifest(manifest, { kernels, fresh, gone });
  await writeFile(join(work.bundle, MANIFEST_FILE), written, { flush: true });
}

/** A program with its chains in the place of others, and the files of its kernels. */
async function changedBundle(
  { manifest, program }: Pick<BundleProgram["bundle"], "manifest" | "program">,
  chains: readonly (readonly SelectedKernel[])[],
  options: Pick<Rewriting, "target" | "cache" | "signal">,
): Promise<Changed> {
  const changed = withChains(program, chains);
  const made = await generateKernels(chains.flat(), options);
  const madeById = new Map(made.map((kernel) => [kernel.id, kernel]));
  const old = new Map(manifest.kernels.map((kernel) => [kernel.id, kernel]));
  const kernels = changed.kernels.map(({ id, family }) => {
    const kernel = madeById.get(id);
    const entry = kernel === undefined ? old.get(id) : { id, family, ...kernelFiles(kernel) };
    if (entry === undefined) throw new RangeError(`no files of kernel ${id}`);
    return entry;
  });
  // Kernels that are gone take their files with them.
  const gone = new Set(manifest.kernels.flatMap(({ source, binary }) => [source, binary ?? source]));
  for (const { source, binary } of kernels) {
    gone.delete(source);
    if (binary !== null) gone.delete(binary);
  }
  return { kernels, fresh: new Map([[PROGRAM_FILE, printProgram(changed)], ...made.flatMap(filesOf)]), gone };
}

/** A manifest that lists the files of a changed bundle. */
function printManifest(manifest: Manifest, { kernels, fresh, gone }: Changed): string {
  const files = new Map(manifest.files.map((file) => [file.path, file]));
  for (const path of gone) files.delete(path);
  for (const [path, contents] of fresh) files.set(path, { path, ...digestOf(contents) });
  const sorted = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const written: Manifest = { ...manifest, kernels, files: sorted };
  return `${JSON.stringify(written, undefined, 1)}\n`;
}

function digestOf(contents: string | Uint8Array): { readonly bytes: number; readonly sha256: string } {
  const bytes = Buffer.from(contents);
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

function filesOf(kernel: KernelArtifact): readonly (readonly [string, string | Uint8Array])[] {
  const { source, binary } = kernelFiles(kernel);
  const files: [string, string | Uint8Array][] = [[source, kernel.source]];
  if (binary !== null && kernel.binary !== null) files.push([binary, kernel.binary]);
  return files;
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    // Some file systems have no links.
    await copyFile(from, to);
  }
}
