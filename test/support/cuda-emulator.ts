import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { arch } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { Architecture } from "../../targets/index.js";
import { oncePerRun } from "./once-per-run.js";

/** In what order the threads of a block run and when asynchronous copies arrive; see `Schedule` in `emulator/block.h`. */
export const SCHEDULES = ["forward", "reverse", "shuffled"] as const;
export type Schedule = (typeof SCHEDULES)[number];

const ROOT = join(import.meta.dirname, "..", "..");
const EMULATOR = join(ROOT, "test/cuda/emulator");
const TEMPLATES = join(ROOT, "templates");
const CACHE = join(ROOT, "node_modules/.cache/cuda-emulator");

const COMMON_FLAGS = [
  ...["-std=c++17", "-fPIC", "-shared", "-fno-strict-aliasing", "-fvisibility=hidden"],
  ...(arch() === "x64" ? ["-mfma"] : []),
];
// Most of the time goes into its matrix instructions, which unrolled loops make twice as fast.
const DRIVER_FLAGS = [...COMMON_FLAGS, "-O3", "-pthread"];
const KERNEL_FLAGS = [
  ...COMMON_FLAGS,
  // What a kernel calls, Node has; to look for it in libraries takes the linker longer than all else.
  "-nostdlib",
  // Most of the time goes into the optimizer; what -O1 lacks of -O2 and kernels need is that products are fused.
  "-O1",
  "-fexpensive-optimizations",
  "-fno-tree-loop-optimize",
  "-fno-tree-pta",
  "-fno-exceptions",
  "-fno-rtti",
  "-fno-asynchronous-unwind-tables",
  "-w",
  "-fno-math-errno",
  "-fwrapv",
  // As nvcc: a·b + c is fused, and a cast of what is out of range is no reason to remove code.
  "-ffp-contract=fast",
  // What was not set is poison, and accesses that the GPU would fault on trap.
  "-ftrivial-auto-var-init=pattern",
  "-fsanitize=alignment,bounds",
  "-fsanitize-undefined-trap-on-error",
];

/** An emulated driver library. `emulator/controls.cpp` has what tests may set and ask of it besides. */
export interface EmulatedDriver {
  readonly path: string;
  /** Contexts, modules, allocations, streams, events and graphs that were not given back. */
  liveObjects(): number;
}

/**
 * An emulated driver with one device. Each pair of architecture and schedule is a library of its own, so that one
 * process can have several.
 */
export async function emulatedDriver(
  architecture: Architecture,
  schedule: Schedule,
): Promise<EmulatedDriver> {
  const path = await driverLibrary(`${architecture}-${schedule}`);
  const koffi = (await import("koffi")).default;
  const library = koffi.load(path);
  const version = Number.parseInt(architecture.slice(3), 10);
  library.func("void fakeSetCapability(int, int)")(Math.floor(version / 10), version % 10);
  library.func("void fakeSetSchedule(int)")(SCHEDULES.indexOf(schedule));
  return { path, liveObjects: library.func("int fakeLiveObjects()") };
}

/** The path of a copy of the driver library. */
async function driverLibrary(name: string): Promise<string> {
  const files = filesBelow(EMULATOR).filter((path) => /^[^/]*\.(cpp|h)$/.test(path));
  // One translation unit: most of the time goes into the standard library's headers.
  const unit = files.filter((path) => path.endsWith(".cpp")).map((path) => `#include "${path}"\n`);
  const driver = () =>
    cached("driver.so", [...DRIVER_FLAGS, ...contents(EMULATOR, files)], (to) =>
      compile(unit.join(""), to, DRIVER_FLAGS),
    );
  // It takes seconds: one builds it, the others wait.
  await oncePerRun("emulator", async () => void (await driver()));
  const built = await driver();
  const copy = built.replace(/\.so$/, `-${name}.so`);
  if (!existsSync(copy)) await inPlace(copy, (to) => copyFile(built, to));
  return copy;
}

/** The shared object that the emulated driver loads as a module, from a kernel's CUDA source. */
export async function emulatorModule(source: string): Promise<Uint8Array<ArrayBuffer>> {
  const unit = translationUnit(source);
  const key = [...KERNEL_FLAGS, kernelHeaders(), unit];
  const built = await cached("kernel.so", key, (to) => compile(unit, to, KERNEL_FLAGS));
  return new Uint8Array(await readFile(built));
}

let headers: string | undefined;

/** A hash of all that kernels may include, made once: there are more than a thousand kernels. */
function kernelHeaders(): string {
  headers ??= hashOf(
    [EMULATOR, join(TEMPLATES, "cuda")].flatMap((folder) =>
      contents(
        folder,
        filesBelow(folder).filter((path) => /\.(h|cuh)$/.test(path)),
      ),
    ),
  );
  return headers;
}

const hashOf = (texts: readonly string[]) => createHash("sha256").update(JSON.stringify(texts)).digest("hex");

const DYNAMIC_SHARED = "extern __shared__ __align__(1024) unsigned char shared[];";
const KERNEL =
  /__global__\s+void\s+(?:__cluster_dims__\((\d+), 1, 1\)\s+)?(?:__launch_bounds__\(([^)]*)\)\s+)?(\w+)\s*\(/;

let wrappers: readonly string[] | undefined;

/**
 * The C++ that stands for a kernel: CUDA's built-ins and PTX first, the source in a namespace of its own so that its
 * shared arrays are local, then what the driver library reads.
 */
function translationUnit(source: string): string {
  const kernel = KERNEL.exec(source);
  if (kernel === null) throw new Error("the source has no kernel");
  const [, cluster = "1", bounds, name] = kernel;
  wrappers ??= filesBelow(EMULATOR).filter((path) => path.endsWith(".cuh"));
  return [
    '#include "emulator.h"',
    ...wrappers.map((path) => `#include "${path}"`),
    "namespace {",
    '#line 1 "kernel.cu"',
    source.replaceAll(DYNAMIC_SHARED, "unsigned char* const shared = emulatorThread->shared;"),
    "}  // namespace",
    `EMULATOR_MODULE(${name}, (${bounds?.split(",")[0] ?? "1024"}), ${cluster})`,
    "",
  ].join("\n");
}

async function compile(unit: string, to: string, flags: readonly string[]): Promise<void> {
  const path = to.replace(/\.so$/, ".cpp");
  await writeFile(path, unit);
  await execa("g++", [...flags, "-I", EMULATOR, "-I", TEMPLATES, "-o", to, path, "-ldl"]);
}

/** The file made from `key`, by name; two processes may make it at the same time. */
async function cached(
  name: string,
  key: readonly string[],
  make: (to: string) => Promise<void>,
): Promise<string> {
  const hash = hashOf([await version(), ...key]);
  const path = join(CACHE, `${hash.slice(0, 32)}-${name}`);
  if (!existsSync(path)) await inPlace(path, make);
  return path;
}

async function inPlace(path: string, make: (to: string) => Promise<void>): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  await dropOld();
  const folder = await mkdtemp(join(CACHE, "building-"));
  try {
    const file = join(folder, "made.so");
    await make(file);
    await rename(file, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const KEPT_MS = 30 * 24 * 3600 * 1000;
let dropped = false;

/** Removes what was made long ago, once per process. */
async function dropOld(): Promise<void> {
  if (dropped) return;
  dropped = true;
  for (const name of await readdir(CACHE)) {
    const path = join(CACHE, name);
    const entry = await stat(path).catch(() => null);
    if (entry !== null && Date.now() - entry.mtimeMs > KEPT_MS)
      await rm(path, { recursive: true, force: true });
  }
}

let known: Promise<string> | undefined;

function version(): Promise<string> {
  known ??= execa("g++", ["--version"]).then(
    ({ stdout }) => stdout,
    (cause: unknown) => {
      throw new Error("the CUDA emulator needs g++ (C++17), and there is none on the PATH", { cause });
    },
  );
  return known;
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

function contents(folder: string, paths: readonly string[]): string[] {
  return paths.flatMap((path) => [path, readFileSync(join(folder, path), "utf8")]);
}
