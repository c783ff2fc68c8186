import { existsSync } from "node:fs";
import { TritcError } from "../../ir/errors.js";

/** A model on the hub: `org/name`, `org/name@revision`, or one file of it, `org/name/flux1-dev-Q8_0.gguf`. */
export interface HubReference {
  /** `org/name`. */
  readonly name: string;
  /** A branch, tag or commit. */
  readonly revision: string;
  /** The path of the one file that is meant, in the repository. */
  readonly file?: string;
}

/**
 * What of a model is wanted: the whole pipeline; its transformer with the pipeline's settings; all of the pipeline but the
 * transformer's weights; the same of a pipeline that can run as it is, whose networks are ONNX; or an adapter.
 */
export type Scope = "pipeline" | "transformer" | "surroundings" | "exported" | "adapter";

export const DEFAULT_REVISION = "main";
/** In front of a name that is also a path here. */
const SCHEME = /^hf:(?:\/\/)?/;
/** What repositories and their owners may be called. */
const PART = /^(?![-.])(?!.*(?:--|\.\.))[\w.-]{1,96}(?<![-.])$/;
const REVISION = /^(?![-/])(?!.*\.\.)(?!.*\/\/)[\w./-]{1,200}(?<!\/)$/;
const WEIGHT_FILE = /\.(?:safetensors|sft|gguf)$/i;
/** A file's name, which no repository has: whoever gives one means a file here. */
const FILE = /\.(?:onnx|safetensors|sft|gguf|json|bin|ckpt|pth?|pb|tar|gz|zip|txt|png|html)$/i;

/**
 * What a text means on the hub; undefined where it means a path. What is here is a path, and so is what would lie in a
 * folder that is here: a misspelled path is not looked for elsewhere. `hf:` in front says that the hub is meant.
 * Throws TRITC_E_USAGE for what `hf:` cannot mean and for two revisions.
 */
export function hubReference(text: string, given?: string): HubReference | undefined {
  const isForced = SCHEME.test(text);
  const found = isForced || !isHere(text) ? parse(text.replace(SCHEME, "")) : undefined;
  if (found === undefined) {
    if (isForced) throw noReference(text);
    if (given === undefined) return undefined;
    throw usage({
      message: "a revision is of a model on the hub, and this is a path",
      place: text,
      expected: "org/name",
      found: `--revision ${given}`,
      remedy: "leave --revision out",
    });
  }
  const { at, ...reference } = found;
  const revision = given ?? at ?? DEFAULT_REVISION;
  if (at !== undefined && at !== revision) {
    throw usage({
      message: "there are two revisions",
      place: text,
      expected: "one",
      found: `--revision ${given}`,
      remedy: "leave one of them out",
    });
  }
  if (!REVISION.test(revision)) {
    throw usage({
      message: "this is no revision",
      place: text,
      expected: "a branch, a tag or a commit, such as main",
      found: revision,
      remedy: "correct the revision",
    });
  }
  return { ...reference, revision };
}

/** Refuses what a program made up and the command line would not: names become paths of the cache. Throws TRITC_E_USAGE. */
export function checkReference({ name, revision, file }: HubReference): void {
  const parsed = parse(file === undefined ? name : `${name}/${file}`);
  if (parsed?.name === name && parsed.file === file && REVISION.test(revision)) return;
  throw usage({
    message: "this is no model of the hub",
    place: name,
    expected: "org/name, a branch, tag or commit, and perhaps one of its weight files",
    found: [name, revision, file ?? ""].join(" "),
    remedy: "correct the name",
  });
}

/** Whether something is at the path, or would be in a folder that is there. */
function isHere(text: string): boolean {
  const [first = ""] = text.split("/", 1);
  return existsSync(text) || (first !== "" && existsSync(first));
}

function parse(text: string): (Omit<HubReference, "revision"> & { readonly at?: string }) | undefined {
  const [path = "", ...revision] = text.split("@");
  const [org = "", name = "", ...rest] = path.split("/");
  if (!PART.test(org) || !PART.test(name) || (rest.length === 0 && FILE.test(name))) return undefined;
  const at = revision.length === 0 ? {} : { at: revision.join("@") };
  if (rest.length === 0) return { name: `${org}/${name}`, ...at };
  const file = rest.join("/");
  const isFile =
    isSafePath(file) && (WEIGHT_FILE.test(file) || /\.safetensors\.index(?:\.[\w-]+)?\.json$/.test(file));
  return isFile ? { name: `${org}/${name}`, file, ...at } : undefined;
}

/**
 * Whether a path of a repository stays below the folder that it is joined to, on every system: no `..`, nothing absolute, no
 * drive, no separator of another system, no control character.
 */
export function isSafePath(path: string): boolean {
  if (path.length > 1000 || /[\p{Cc}\\:]/u.test(path)) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function noReference(text: string): TritcError {
  return usage({
    message: "this is no model of the hub",
    place: text,
    expected: "hf:org/name, or one of its weight files: hf:org/name/file.safetensors",
    remedy: "correct the name",
  });
}

function usage(details: Omit<ConstructorParameters<typeof TritcError>[0], "code" | "exitCode">): TritcError {
  return new TritcError({ code: "TRITC_E_USAGE", exitCode: 2, ...details });
}
