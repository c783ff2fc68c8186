import { existsSync, realpathSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import type { Architecture } from "../../../targets/index.js";

/** A clang that makes PTX, for architectures that nvcc has dropped; drivers compile it as they load it. */
export interface Clang {
  /** Path of clang++. */
  readonly path: string;
  /** `major.minor.patch` */
  readonly version: string;
  /** The CUDA installation that it takes headers and the math library from. */
  readonly cuda: string;
}

/** The first that the kernels are known to compile with. */
const FIRST_CLANG = 19;

/**
 * `TRITC_CLANG` if it is set, else `clang++` or `clang++-<version>` on `PATH`; undefined where there is none that will do,
 * or no CUDA installation of these nvccs or folders beside it.
 */
export async function findClang(
  env: Readonly<Record<string, string | undefined>>,
  nvccs: readonly string[],
  folders: readonly string[],
): Promise<Clang | undefined> {
  const beside = nvccs.filter((nvcc) => existsSync(nvcc)).map((nvcc) => dirname(dirname(realpathSync(nvcc))));
  const roots = [...beside, ...folders];
  const cuda = roots.find(
    (root) =>
      existsSync(join(root, "include", "cuda_runtime.h")) &&
      existsSync(join(root, "nvvm", "libdevice", "libdevice.10.bc")),
  );
  if (cuda === undefined) return undefined;
  const names = ["clang++", ...Array.from({ length: 12 }, (_, i) => `clang++-${FIRST_CLANG + i}`)];
  const paths = env.TRITC_CLANG
    ? [env.TRITC_CLANG]
    : (env.PATH ?? "").split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const { execa } = await import("execa");
  for (const path of paths.filter((candidate) => existsSync(candidate))) {
    const { stdout } = await execa(path, ["--version"], { reject: false, stdin: "ignore", timeout: 60_000 });
    const version = /\bclang version (\d+\.\d+\.\d+)/.exec(String(stdout ?? ""))?.[1];
    if (version !== undefined && Number.parseInt(version, 10) >= FIRST_CLANG) return { path, version, cuda };
  }
  return undefined;
}

/** Where the files of `writeShims` lie, in the folder that clang runs in. */
const SHIMS = "shims.h";

/** What makes one source into PTX. */
export function clangFlags({ cuda }: Clang, architecture: Architecture): readonly string[] {
  return [
    ...["-x", "cuda", "--cuda-device-only", `--cuda-gpu-arch=${architecture}`, `--cuda-path=${cuda}`],
    ...["-std=c++17", "-O3", "-S", "-I", ".", "-include", SHIMS],
    // It says so of every toolkit that is newer than itself, and of __grid_constant__, which it does without.
    ...["-Wno-unknown-cuda-version", "-Wno-unknown-attributes"],
  ];
}

/** Headers that clang's own CUDA wrapper includes and CUDA 13 no longer has, and an intrinsic that it lacks. */
export async function writeShims(folder: string): Promise<void> {
  for (const name of ["texture_fetch_functions.h", "curand_mtgp32_kernel.h"]) {
    await writeFile(join(folder, name), "");
  }
  const ldcg = "template <typename T> static __device__ T __ldcg(const T* from) { return *from; }\n";
  await writeFile(join(folder, SHIMS), ldcg);
}
