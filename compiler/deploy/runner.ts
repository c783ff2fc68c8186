import { existsSync } from "node:fs";
import { chmod, copyFile, cp, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import { execa } from "execa";
import { create } from "tar";
import { printable, TritcError } from "../../ir/errors.js";
import { MANIFEST_FILE } from "../../ir/format/manifest.js";
import { targetByName } from "../../targets/index.js";
import { ListedFiles } from "../bundle/listed-files.js";
import { NETWORK_NAMES } from "../networks/part.js";
import { SAMPLE_MODEL } from "../sample-model.js";
import { removeOnExit } from "../temporary.js";
import { packageRoot, runnerPackages } from "./packages.js";

export interface RunnerOptions {
  /** Folders of bundles, or other folders that the runner should hold. */
  readonly folders: readonly string[];
  /** Takes the archive, a `.tar.gz`. */
  write(archive: AsyncIterable<Uint8Array>): Promise<void>;
  /** The Node binary to take along; this process's own if absent. */
  readonly node?: string;
}

export interface RunnerReport {
  readonly packages: readonly string[];
  readonly folders: readonly string[];
}

/** Whether a bundle's pipeline has networks that ONNX Runtime runs. */
function holdsOnnx(folder: string): boolean {
  return NETWORK_NAMES.some((name) => existsSync(join(folder, "pipeline", name, "model.onnx")));
}

/** Node, this package, what it needs and some bundles in one archive: a machine needs nothing else to run it. */
const SCRIPT = `#!/bin/sh
# Runs tritc with the Node.js beside this script: ./run.sh run <bundle> --prompt "…" -o out.png
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
[ $# -eq 0 ] && set -- doctor
case "$1" in
  *.js) script="$here/tritc/dist/$1"; shift ;;
  *) script="$here/tritc/dist/compiler/cli/main.js" ;;
esac
exec "$here/node" "$script" "$@"
`;

/**
 * Writes the archive. Only what runs on this machine's platform is taken along, so pack on the platform of the machine
 * that will run it. Throws `TRITC_E_RUNNER` and `TRITC_E_SYSTEM`.
 */
export async function packRunner(options: RunnerOptions): Promise<RunnerReport> {
  const root = packageRoot();
  const { folders } = options;
  for (const folder of folders) await checkFolder(folder);
  checkNames(folders);
  const bundles = folders
    .filter((folder) => existsSync(join(folder, MANIFEST_FILE)))
    .map((folder) => new ListedFiles(folder));
  for (const bundle of bundles) await bundle.check();
  const packages = runnerPackages(root, {
    onnx: folders.some(holdsOnnx),
    cuda: bundles.some(({ manifest }) => targetByName(manifest.target).cuda !== undefined),
  });
  const stage = await mkdtemp(join(tmpdir(), "tritc-runner-"));
  const isGone = removeOnExit(stage);
  try {
    const home = join(stage, "tritc-runner");
    const app = join(home, "tritc");
    await mkdir(app, { recursive: true });
    await copyFile(join(root, "package.json"), join(app, "package.json"));
    await copyFile(join(root, "LICENSE"), join(app, "LICENSE"));
    const sample = join(root, SAMPLE_MODEL);
    await cp(join(root, "dist"), join(app, "dist"), {
      recursive: true,
      filter: (path) => path !== sample && isCode(path),
    });
    for (const { name, folder } of packages) {
      await cp(folder, join(app, "node_modules", name), {
        recursive: true,
        dereference: true,
        filter: (path) => isNeeded(relative(folder, path)) && isCode(path),
      });
    }
    await takeNode(options.node ?? process.execPath, join(home, "node"));
    await writeFile(join(home, "run.sh"), SCRIPT, { mode: 0o755 });
    for (const folder of folders)
      await cp(folder, join(home, basename(resolve(folder))), { recursive: true });
    await options.write(create({ cwd: stage, gzip: true, portable: true, noMtime: true }, ["tritc-runner"]));
  } finally {
    await rm(stage, { recursive: true, force: true });
    isGone();
  }
  return { packages: packages.map(({ name }) => name), folders };
}

/** Without its symbols, where there is a tool to strip them: a tenth of the archive. */
async function takeNode(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await execa("strip", [to], { reject: false });
  await chmod(to, 0o755);
}

async function checkFolder(folder: string): Promise<void> {
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return;
  throw new TritcError({
    code: "TRITC_E_RUNNER",
    message: "there is no such folder to pack",
    place: folder,
    expected: `a bundle: a folder with ${MANIFEST_FILE}`,
    remedy: "compile a model first: `tritc compile <model> --target <name> -o <folder>`",
    exitCode: 2,
  });
}

/** What the runner holds, or what Node.js would take for part of it; in lower case. */
const OWN_NAMES = ["node", "node_modules", "package.json", "run.sh", "tritc"];

/** Refuses folders that would lie over one another, or over the program, in the runner's folder. */
function checkNames(folders: readonly string[]): void {
  // On some file systems names that differ in case alone are one.
  const taken = new Map<string, string>(OWN_NAMES.map((name) => [name, "the program's own"]));
  for (const folder of folders) {
    const name = basename(resolve(folder));
    const other = taken.get(name.toLowerCase().normalize("NFC"));
    if (other !== undefined) {
      throw new TritcError({
        code: "TRITC_E_RUNNER",
        message: `two things in the runner would be called ${printable(name)}`,
        place: folder,
        expected: `bundles with names of their own, and none of ${OWN_NAMES.join(", ")}`,
        found: `${other} and ${folder}`,
        remedy: "rename one of them",
        exitCode: 2,
      });
    }
    taken.set(name.toLowerCase().normalize("NFC"), folder);
  }
}

/** Sources of native code, maps and declarations are for people who read or build on the code. */
function isCode(path: string): boolean {
  return !/\.([mc]?ts|map|md|c|cc|cpp|h|hh|asm|S|inc)$/.test(path);
}

/** Not native libraries of other platforms, documentation, and nested packages, which were found on their own. */
function isNeeded(path: string): boolean {
  const parts = path.split(/[\\/]/);
  if (parts.includes("node_modules") || parts[0] === "doc" || parts[0] === "vendor") return false;
  const [bin, , platform, arch] = parts;
  if (bin !== "bin" || platform === undefined) return true;
  return platform === process.platform && (arch === undefined || arch === process.arch);
}
