import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { TritcError } from "../../ir/errors.js";

/** What only compiling needs, and Dawn, which a machine without a graphics stack cannot use. */
const LEFT_OUT: ReadonlySet<string> = new Set(["handlebars", "tar", "ts-morph", "wabt", "webgpu"]);

/** A package that a runner holds. */
export interface RunnerPackage {
  readonly name: string;
  readonly folder: string;
}

/** The folder of this package: that of the nearest package.json. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/**
 * The packages that the command line needs to run bundles, with theirs, as they are installed here. Optional ones
 * that are not installed are left out. Throws `TRITC_E_RUNNER` for a missing one.
 *
 * @param pipeline whether text encoders and the VAE will run
 */
export function runnerPackages(root: string, pipeline: boolean): readonly RunnerPackage[] {
  const found = new Map<string, RunnerPackage>();
  const add = (name: string, from: string, optional: boolean): void => {
    if (found.has(name) || LEFT_OUT.has(name) || (name === "onnxruntime-node" && !pipeline)) return;
    const folder = installed(name, from);
    if (folder === undefined) {
      if (optional) return;
      throw new TritcError({
        code: "TRITC_E_RUNNER",
        message: `the package ${name} is not installed`,
        place: from,
        remedy: "run `npm ci` in tritc's folder, or install tritc again",
      });
    }
    found.set(name, { name, folder });
    for (const [of, maybe] of dependenciesOf(folder)) {
      // The rest of onnxruntime-node's are its installer's.
      if (name !== "onnxruntime-node" || of === "onnxruntime-common") add(of, folder, maybe);
    }
  };
  for (const [name, optional] of dependenciesOf(root)) add(name, root, optional);
  return [...found.values()];
}

function dependenciesOf(folder: string): readonly (readonly [name: string, optional: boolean])[] {
  const json: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const names = (key: string): readonly string[] => {
    const value =
      typeof json === "object" && json !== null ? Object.entries(json).find(([k]) => k === key) : undefined;
    return typeof value?.[1] === "object" && value[1] !== null ? Object.keys(value[1]) : [];
  };
  const optional = new Set(names("optionalDependencies"));
  return [...names("dependencies"), ...optional].map((name) => [name, optional.has(name)]);
}

/** Where Node would find a package from a folder. */
function installed(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}
