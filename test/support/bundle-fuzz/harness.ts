import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Bindings } from "../../../ir/dim.js";
import { TritcError } from "../../../ir/errors.js";
import { phasesThatRun } from "../../../ir/program/phases.js";
import type { Program, ProgramBuffer } from "../../../ir/program/program.js";
import type { Tensor } from "../../../ir/tensor.js";
import { type BundleFiles, loadBundle } from "../../../runtime/bundle.js";
import type { Device, LoadedProgram } from "../../../runtime/device.js";
import { evaluateBundle } from "../../../runtime/evaluate.js";
import { elementBytes } from "../../../targets/memory/buffers.js";

export type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** A bundle's files in memory. */
export function readFiles(folder: string): Files {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return new Map(
    paths
      .filter((path) => statSync(join(folder, path)).isFile())
      .map((path) => [path.split("\\").join("/"), new Uint8Array(readFileSync(join(folder, path)))]),
  );
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** The files with the manifest's sizes and hashes made right, so that a reader looks past them. */
export function rehashed(files: Files): Files {
  const text = new TextDecoder().decode(files.get("manifest.json"));
  const manifest = JSON.parse(text) as { files?: unknown };
  if (!Array.isArray(manifest.files)) return files;
  for (const entry of manifest.files as unknown[]) {
    if (typeof entry !== "object" || entry === null || !("path" in entry)) continue;
    const bytes = files.get(String(entry.path));
    if (bytes !== undefined) Object.assign(entry, { bytes: bytes.length, sha256: sha256(bytes) });
  }
  return new Map(files).set("manifest.json", new TextEncoder().encode(JSON.stringify(manifest)));
}

function memoryFiles(files: Files): BundleFiles {
  return {
    read: async (path) => files.get(path),
    readRange: async (path, offset, length) =>
      (files.get(path) ?? new Uint8Array()).slice(offset, offset + length),
    digest: async (path) => {
      const bytes = files.get(path);
      return bytes === undefined ? undefined : { bytes: bytes.length, sha256: sha256(bytes) };
    },
  };
}

/** What came of a changed bundle. */
export type Outcome =
  | { readonly kind: "refused"; readonly code: string }
  | { readonly kind: "equal" }
  /** Another result, which follows from what the bundle says and from nothing else. */
  | { readonly kind: "other" }
  /** It would take more memory than this test has; it was verified, and not run. */
  | { readonly kind: "large" }
  | { readonly kind: "fault"; readonly message: string };

/** Bytes of a guard area. */
const GUARD = 256;
/** Memory that a changed bundle may ask for here. */
const MOST_BYTES = 2 ** 26;

/**
 * Opens a bundle and runs it twice, between guard areas and with all memory filled with one pattern and then another:
 * what reads what nothing wrote gives two results, what writes outside of its buffers leaves traces.
 */
export async function attempt(
  files: Files,
  device: Device,
  inputs: ReadonlyMap<string, Tensor>,
  expected: ReadonlyMap<string, Tensor> | undefined,
): Promise<Outcome | { readonly kind: "result"; readonly outputs: ReadonlyMap<string, Tensor> }> {
  try {
    const bundle = await loadBundle(memoryFiles(rehashed(files)), "bundle");
    const program = guarded(bundle.program);
    const size = evaluatedSize(program, inputs);
    if (size > MOST_BYTES) return { kind: "large" };
    const loaded = await device.load(program, bundle.code, bundle.weights);
    try {
      const first = await poisoned(loaded, program, inputs, 0x7fc12345);
      const second = await poisoned(loaded, program, inputs, 0x3d3d3d3d);
      const trace = first.trace ?? second.trace;
      if (trace !== undefined) return { kind: "fault", message: trace };
      if (!same(first.outputs, second.outputs))
        return { kind: "fault", message: "it reads memory that nothing wrote" };
      if (expected === undefined) return { kind: "result", outputs: first.outputs };
      return { kind: same(first.outputs, expected) ? "equal" : "other" };
    } finally {
      await loaded.close();
    }
  } catch (error) {
    if (error instanceof TritcError) return { kind: "refused", code: error.code };
    return {
      kind: "fault",
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
}

/** The program with an area behind each buffer that no launch touches. */
function guarded(program: Program): Program {
  const slots = program.buffers.map(({ storage }) => (storage.kind === "arena" ? storage.slot : 0));
  let slot = Math.max(0, ...slots) + 1;
  const guard = ({ storage }: ProgramBuffer, i: number): ProgramBuffer => ({
    id: `guard ${i}`,
    dtype: "u32",
    elements: GUARD / 4,
    storage:
      storage.kind === "arena"
        ? { kind: "arena", slot: slot++ }
        : { kind: /^(host|state)$/.test(storage.kind) ? "host" : "resident" },
  });
  return { ...program, buffers: program.buffers.flatMap((buffer, i) => [buffer, guard(buffer, i)]) };
}

/** Bytes of all buffers at the sizes that the inputs have, about. */
function evaluatedSize({ buffers, symbols }: Program, inputs: ReadonlyMap<string, Tensor>): number {
  const largest = Math.max(...[...inputs.values()].flatMap(({ shape }) => shape));
  const bindings: Bindings = Object.fromEntries(symbols.map((name) => [name, largest]));
  return buffers.reduce((sum, buffer) => sum + elementBytes(buffer, bindings), 0);
}

async function poisoned(
  loaded: LoadedProgram,
  program: Program,
  inputs: ReadonlyMap<string, Tensor>,
  pattern: number,
): Promise<{ readonly outputs: ReadonlyMap<string, Tensor>; readonly trace: string | undefined }> {
  let bound: Bindings = {};
  const coefficients = program.inputs.filter(({ role }) => role === "coefficient");
  const updates = phasesThatRun(program, "update");
  const latents = program.inputs.find(({ role }) => role === "latents");
  const watching: LoadedProgram = {
    ...bindMethods(loaded),
    bind: async (bindings) => {
      await loaded.bind(bindings);
      bound = bindings;
      // Inputs are written afterwards.
      for (const { id, storage } of program.buffers) {
        if (/^(arena|host|state)$/.test(storage.kind) || id.startsWith("guard ")) fill(id);
      }
      for (const { buffer } of coefficients)
        loaded.write(buffer, new Float32Array(words(buffer)).fill(-0.25));
    },
    // The samplers' updates too, whose result is the latents.
    run: (phases, step) => loaded.run([...phases, ...updates], step),
  };
  const words = (id: string) => {
    const buffer = program.buffers.find((candidate) => candidate.id === id);
    const bytes = buffer === undefined ? 0 : elementBytes(buffer, bound);
    return bytes / 4;
  };
  const fill = (id: string) => {
    if (Number.isInteger(words(id))) loaded.write(id, new Int32Array(words(id)).fill(pattern));
  };
  const outputs = await evaluateBundle(watching, program, inputs);
  if (latents !== undefined) {
    const data = new Float32Array((await loaded.read(latents.buffer)).buffer);
    outputs.set("latents after", { dtype: "f32", shape: [data.length], data });
  }
  for (const { id } of program.buffers) {
    if (!id.startsWith("guard ")) continue;
    const found = new Int32Array((await loaded.read(id)).buffer);
    if (found.some((word) => word !== pattern))
      return { outputs, trace: `it writes behind a buffer, at ${id}` };
  }
  return { outputs, trace: undefined };
}

function bindMethods(loaded: LoadedProgram): LoadedProgram {
  return {
    bind: (bindings) => loaded.bind(bindings),
    write: (buffer, data) => loaded.write(buffer, data),
    run: (phases, step) => loaded.run(phases, step),
    read: (buffer) => loaded.read(buffer),
    memoryBytes: () => loaded.memoryBytes(),
    peakMemoryBytes: () => loaded.peakMemoryBytes(),
    close: () => loaded.close(),
  };
}

/** Whether results are equal to the bit, names, shapes and types included. */
function same(a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): boolean {
  const text = (outputs: ReadonlyMap<string, Tensor>) =>
    [...outputs].map(([name, { dtype, shape, data }]) => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return [name, dtype, shape, sha256(bytes)];
    });
  return JSON.stringify(text(a)) === JSON.stringify(text(b));
}
