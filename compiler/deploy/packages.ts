import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { TritcError } from "../../ir/errors.js";

/** What only compiling needs, and Dawn, which a machine without a graphics stack cannot use. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "@huggingface/hub",
  "handlebars",
  "tar",
  "ts-morph",
  "wabt",
  "webgpu",
]);

/** What bundles need of the packages that tritc leaves to its users to install. */
export interface RunnerNeeds {
  /** Text encoders or a VAE that are ONNX: ONNX Runtime, which is large and left out otherwise. */
  readonly onnx: boolean;
  /** The CUDA driver: koffi. */
  readonly cuda: boolean;
}

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
 * that are not installed and not needed are left out. Throws `TRITC_E_RUNNER` for a missing one.
 */
export function runnerPackages(root: string, needs: RunnerNeeds): readonly RunnerPackage[] {
  const needed = new Set([...(needs.onnx ? ["onnxruntime-node"] : []), ...(needs.cuda ? ["koffi"] : [])]);
  const peers = peersOf(root);
  const found = new Map<string, RunnerPackage>();
  const add = (name: string, from: string, optional: boolean): void => {
    if (found.has(name) || LEFT_OUT.has(name) || (name === "onnxruntime-node" && !needs.onnx)) return;
    const folder = installed(name, from);
    if (folder === undefined) {
      if (optional && !needed.has(name)) return;
      const range = peers.get(name);
      throw new TritcError({
        code: "TRITC_E_RUNNER",
        message: `the package ${name} is not installed`,
        place: from,
        remedy:
          range === undefined
            ? "run `npm ci` in tritc's folder, or install tritc again"
            : `npm install --ignore-scripts ${name}@${range}`,
      });
    }
    found.set(name, { name, folder });
    for (const [of, maybe] of dependenciesOf(folder)) {
      // The rest of onnxruntime-node's are its installer's.
      if (name !== "onnxruntime-node" || of === "onnxruntime-common") add(of, folder, maybe);
    }
  };
  for (const [name, optional] of dependenciesOf(root)) add(name, root, optional);
  for (const name of peers.keys()) add(name, root, true);
  return [...found.values()];
}

function dependenciesOf(folder: string): readonly (readonly [name: string, optional: boolean])[] {
  const optional = new Set(rangesIn(folder, "optionalDependencies").keys());
  return [...rangesIn(folder, "dependencies").keys(), ...optional].map((name) => [name, optional.has(name)]);
}

/** The optional peers of a package with their ranges. */
function peersOf(folder: string): ReadonlyMap<string, string> {
  return rangesIn(folder, "peerDependencies");
}

function rangesIn(folder: string, key: string): ReadonlyMap<string, string> {
  const json = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<
    string,
    Record<string, string> | undefined
  >;
  return new Map(Object.entries(json[key] ?? {}));
}

/** Where Node would find a package from a folder: links, as pnpm makes them, count as what they lead to. */
function installed(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return realpathSync(candidate);
    if (dirname(folder) === folder) return undefined;
  }
}
