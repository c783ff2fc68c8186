import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { TritcError } from "../../../ir/errors.js";
import {
  ARCHITECTURES,
  type Architecture,
  FIRST_TOOLKIT,
  type ToolkitRange,
} from "../../../targets/index.js";
import { type Clang, findClang } from "./clang.js";

/** An nvcc that runs. */
export interface Toolkit {
  /** Path of nvcc. */
  readonly nvcc: string;
  /** Release and build, such as `13.0.88`: what binaries depend on. */
  readonly version: string;
  /** `major.minor`. */
  readonly release: string;
  /** What compiles in place of nvcc, to PTX. */
  readonly clang?: Clang;
}

export interface ToolkitSearch {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where toolkits are installed side by side as `cuda` and `cuda-<version>`. */
  readonly installed?: string;
}

const NO_TOOLKIT =
  "install NVIDIA's CUDA toolkit (https://developer.nvidia.com/cuda-downloads) and a C++ compiler for it, set TRITC_NVCC to its nvcc, " +
  "or compile with --emit source";

/**
 * An nvcc that makes binaries for all these architectures: `TRITC_NVCC` if it is set, else the first that fits of
 * `CUDA_HOME` and `CUDA_PATH`, `PATH`, and `/usr/local/cuda*`, newest first. For one architecture that they have all
 * dropped, clang with the headers of one of them.
 *
 * Throws TRITC_E_NVCC where there is none at all and TRITC_E_TOOLKIT where none fits.
 *
 * @param place what needs it, for the errors: the target
 */
export async function findToolkit(
  architectures: readonly Architecture[],
  place: string,
  search: ToolkitSearch = {},
): Promise<Toolkit> {
  const { env = process.env, installed = "/usr/local" } = search;
  const found: Toolkit[] = [];
  for (const nvcc of candidates(env, installed)) {
    const toolkit = await probe(nvcc);
    if (toolkit === undefined) continue;
    if (architectures.every((architecture) => builds(toolkit.release, architecture))) return toolkit;
    if (!found.some(({ version }) => version === toolkit.version)) found.push(toolkit);
  }
  const [newest] = found;
  if (newest !== undefined) {
    const [only, ...others] = architectures;
    const dropped = only !== undefined && others.length === 0 && ARCHITECTURES[only].toolkit.last !== null;
    const clang = dropped
      ? await findClang(
          env,
          found.map(({ nvcc }) => nvcc),
          [...homes(env), ...sideBySide(installed)],
        )
      : undefined;
    if (clang === undefined) throw unfit(architectures, place, found);
    return { ...newest, version: `${newest.version} with clang ${clang.version}`, clang };
  }
  throw new TritcError({
    code: "TRITC_E_NVCC",
    message: "compiling CUDA kernels takes NVIDIA's nvcc, which is not to be found",
    place,
    expected: "nvcc in $TRITC_NVCC, $CUDA_HOME/bin, $PATH or /usr/local/cuda*/bin",
    found: env.TRITC_NVCC ? `TRITC_NVCC is ${env.TRITC_NVCC}, which does not run` : "none of them",
    remedy: NO_TOOLKIT,
  });
}

/** Whether a toolkit release makes binaries for an architecture. */
export function builds(release: string, architecture: Architecture): boolean {
  const { first, last } = rangeOf([architecture]);
  return order(release, first) >= 0 && (last === null || order(release, last) <= 0);
}

/** What nvcc says of itself: `Cuda compilation tools, release 13.0, V13.0.88`. */
export function parseVersion(text: string): Pick<Toolkit, "version" | "release"> | undefined {
  const match = /\brelease (\d+\.\d+), V(\d+(?:\.\d+)+)/.exec(text);
  const [, release, version] = match ?? [];
  return release === undefined || version === undefined ? undefined : { release, version };
}

/** Below 0 where a is the older release. */
function order(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA - majorB || minorA - minorB;
}

function candidates(env: Readonly<Record<string, string | undefined>>, installed: string): readonly string[] {
  if (env.TRITC_NVCC) return [env.TRITC_NVCC];
  const name = process.platform === "win32" ? "nvcc.exe" : "nvcc";
  const folders = [
    ...homes(env).map((home) => join(home, "bin")),
    ...(env.PATH ?? "").split(delimiter).filter((folder) => folder !== ""),
    ...sideBySide(installed).map((folder) => join(folder, "bin")),
  ];
  return [...new Set(folders.map((folder) => join(folder, name)))].filter(isProgram);
}

function homes(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  return [env.CUDA_HOME, env.CUDA_PATH].flatMap((home) => (home ? [home] : []));
}

/** `cuda`, then `cuda-<version>` from the newest on. */
function sideBySide(installed: string): readonly string[] {
  let names: readonly string[] = [];
  try {
    names = readdirSync(installed);
  } catch {
    // Not this kind of system.
  }
  const versions = names.flatMap((name) => /^cuda-(\d+(?:\.\d+)?)$/.exec(name)?.[1] ?? []);
  const folders = ["cuda", ...versions.sort((a, b) => order(b, a)).map((version) => `cuda-${version}`)];
  return folders.map((name) => join(installed, name));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function probe(nvcc: string): Promise<Toolkit | undefined> {
  const { execa } = await import("execa");
  const { stdout } = await execa(nvcc, ["--version"], { reject: false, stdin: "ignore", timeout: 60_000 });
  const version = parseVersion(String(stdout ?? ""));
  return version === undefined ? undefined : { nvcc, ...version };
}

/** The toolkits that make binaries for all of these. */
function rangeOf(architectures: readonly Architecture[]): ToolkitRange {
  const ranges = architectures.map((architecture) => ARCHITECTURES[architecture].toolkit);
  const lasts = ranges.flatMap(({ last }) => last ?? []);
  return {
    first: ranges.reduce((latest, { first }) => (order(first, latest) > 0 ? first : latest), FIRST_TOOLKIT),
    last: lasts.length === 0 ? null : lasts.reduce((a, b) => (order(a, b) < 0 ? a : b)),
  };
}

function unfit(architectures: readonly Architecture[], place: string, found: readonly Toolkit[]): TritcError {
  const { first, last } = rangeOf(architectures);
  const range = last === null ? `CUDA ${first} or newer` : `CUDA ${first} to ${last}`;
  const clang = last === null ? "" : ", install clang 19 or newer";
  return new TritcError({
    code: "TRITC_E_TOOLKIT",
    message: `the CUDA toolkit makes no binaries for ${architectures.join(", ")}`,
    place,
    expected: range,
    found: found.map(({ version, nvcc }) => `CUDA ${version} (${nvcc})`).join("; "),
    remedy: `install ${range} beside it and set TRITC_NVCC to its nvcc${clang}, or compile with --emit source`,
  });
}
