import { TritcError } from "../../ir/errors.js";
import { type JsonValue, parseStrictJson } from "../../ir/format/strict-json.js";
import { protocolError } from "./errors.js";
import type { Scope } from "./reference.js";

/** A repository's files as far as they are known: on the hub all of them, in the cache those that were downloaded. */
export interface FileTree {
  /** Names of the files directly in a folder; "" is the root. */
  names(folder: string): readonly string[];
  /** A small file's text. */
  text(path: string): Promise<string>;
}

export interface Selection {
  /** Paths of the files that the compiler reads. */
  readonly files: readonly string[];
  /** Files that it would read and that are not there: paths, with what may be in their place. */
  readonly missing: readonly string[];
}

export const MODEL_INDEX = "model_index.json";
const CONFIG = "config.json";
const ONNX = "model.onnx";
/** Where a repository without `model_index.json` keeps a transformer as ONNX. */
const ONNX_FOLDERS = ["transformer", "", "transformer.opt/bf16", "transformer.opt", "bf16"];
const TRANSFORMERS = ["transformer", "transformer-packed-mflux"];
/** Components of a pipeline that the compiler reads: whatever else one lists (a safety checker) stays where it is. */
const NETWORKS = ["transformer", "text_encoder", "text_encoder_2", "vae"] as const;
const TOKENIZERS = ["tokenizer", "tokenizer_2"] as const;
const SCHEDULER = "scheduler";
/** What an ONNX export of a VAE is called. */
const VAES = ["vae", "vae_decoder", "vae_encoder"];

/** What PEFT's `save_pretrained` and Diffusers' `save_lora_weights` write. */
const ADAPTERS = ["adapter_model.safetensors", "pytorch_lora_weights.safetensors"];

const INDEX = /\.safetensors\.index(?:\.([\w-]+))?\.json$/;
const PART = /-\d{5}-of-\d{5}(?=\.)/;
const WEIGHTS = /\.(?:safetensors|sft|gguf)$/i;
const SAFETENSORS = /\.(?:safetensors|sft)$/i;
const PLAIN = ["diffusion_pytorch_model.safetensors", "model.safetensors"] as const;
/** Variants in the order in which they are taken where there is no plain one. */
const VARIANTS = ["bf16", "fp16", "fp32"];

/**
 * The files of a repository that `tritc compile` reads, or with `scope` "transformer" those that `inspect` and `eval` do.
 * `file` names the one weight file that is meant. Throws TRITC_E_HUB, and TRITC_E_PIPELINE where "exported" is asked for and is not
 * there.
 */
export async function selectFiles(tree: FileTree, scope: Scope, file?: string): Promise<Selection> {
  if (scope === "adapter") return selectAdapter(tree, file);
  if (file !== undefined) return selectWeightFile(tree, file);
  const root = tree.names("");
  if (root.includes(MODEL_INDEX)) return selectPipeline(tree, scope);
  const onnx = ONNX_FOLDERS.find((folder) => tree.names(folder).includes(ONNX));
  if (onnx !== undefined) return onnxFiles(tree, onnx);
  const folder = [...TRANSFORMERS, ""].find((name) => tree.names(name).includes(CONFIG));
  if (folder !== undefined) return network(tree, folder);
  const weights = root.filter((name) => WEIGHTS.test(name) && !PART.test(name));
  const [only] = weights;
  if (only !== undefined && weights.length === 1) return selectWeightFile(tree, only);
  const several = weights.length > 1 ? `one of ${weights.join(", ")}` : "or one weight file";
  return { files: [], missing: [`${MODEL_INDEX}, transformer/${CONFIG}, ${CONFIG}, ${several}`] };
}

async function selectPipeline(tree: FileTree, scope: Scope): Promise<Selection> {
  const listed = componentsOf(await tree.text(MODEL_INDEX));
  if (scope === "exported" && listed.has("text_encoder")) requireExported(tree);
  const parts: Selection[] = [{ files: [MODEL_INDEX], missing: [] }];
  for (const name of NETWORKS) {
    if (name !== "transformer" && !listed.has(name)) continue;
    const isNeeded = scope === "pipeline" || (name === "transformer") === (scope === "transformer");
    for (const folder of foldersOf(tree, name)) {
      parts.push(isNeeded ? await network(tree, folder) : { files: settings(tree, folder), missing: [] });
    }
  }
  const isMissed = scope !== "transformer";
  for (const name of TOKENIZERS) if (listed.has(name)) parts.push(tokenizer(tree, name, isMissed));
  if (listed.has(SCHEDULER)) parts.push(scheduler(tree, isMissed));
  return joined(parts);
}

/** Weights of text encoders that have to be compiled first need not come. Throws TRITC_E_PIPELINE. */
function requireExported(tree: FileTree): void {
  const names = tree.names("text_encoder");
  if (names.length === 0 || names.includes(ONNX)) return;
  throw new TritcError({
    code: "TRITC_E_PIPELINE",
    message: "the pipeline's text encoders cannot run as they are",
    place: "text_encoder",
    expected: ONNX,
    found: names.slice(0, 8).join(", "),
    remedy:
      "compile the whole model, tritc compile <org/name> --target cpu -o <bundle>, which then draws by itself",
    exitCode: 2,
  });
}

/** An adapter: the file that is named, or the one that PEFT or Diffusers writes, or the only one. */
async function selectAdapter(tree: FileTree, file: string | undefined): Promise<Selection> {
  const names = tree.names("");
  const weights = names.filter((name) => SAFETENSORS.test(name));
  const usual = ADAPTERS.find((name) => weights.includes(name));
  const chosen = file ?? usual ?? (weights.length === 1 ? weights[0] : undefined);
  if (chosen === undefined) {
    const instead = weights.length > 1 ? `, or one of ${weights.join(", ")} by its name` : "";
    return { files: [], missing: [`${ADAPTERS.join(" or ")}${instead}`] };
  }
  return joined([await selectWeightFile(tree, chosen), settingsOfAdapter(tree, chosen)]);
}

function settingsOfAdapter(tree: FileTree, file: string): Selection {
  const folder = file.slice(0, Math.max(0, file.lastIndexOf("/")));
  const files = tree.names(folder).filter((name) => name === "adapter_config.json");
  return { files: below(folder, files), missing: [] };
}

function foldersOf(tree: FileTree, name: (typeof NETWORKS)[number]): readonly string[] {
  const known = name === "transformer" ? TRANSFORMERS : name === "vae" ? VAES : [name];
  const there = known.filter((folder) => tree.names(folder).length > 0);
  if (there.length === 0) return [name];
  return name === "transformer" ? there.slice(0, 1) : there;
}

/** The components that a pipeline's index lists with a class. Throws TRITC_E_HUB. */
function componentsOf(text: string): ReadonlySet<string> {
  const json = parsed(text, MODEL_INDEX);
  const names = new Set<string>();
  for (const [name, value] of json) {
    if (Array.isArray(value) && value.length === 2 && value.every((each) => typeof each === "string")) {
      names.add(name);
    }
  }
  return names;
}

function tokenizer(tree: FileTree, folder: string, isMissed: boolean): Selection {
  const names = tree.names(folder);
  const files = names.filter((name) => /\.(?:json|txt|model|jinja)$/.test(name));
  const isWhole =
    ["tokenizer.json", "spiece.model"].some((name) => names.includes(name)) ||
    ["vocab.json", "merges.txt"].every((name) => names.includes(name));
  const missing = `${folder}/tokenizer.json, or vocab.json and merges.txt`;
  return { files: below(folder, files), missing: isWhole || !isMissed ? [] : [missing] };
}

function scheduler(tree: FileTree, isMissed: boolean): Selection {
  const config = "scheduler_config.json";
  const isThere = tree.names(SCHEDULER).includes(config);
  return {
    files: isThere ? [`${SCHEDULER}/${config}`] : [],
    missing: isThere || !isMissed ? [] : [`${SCHEDULER}/${config}`],
  };
}

/** A network's folder: its settings, and one variant of its weights. */
async function network(tree: FileTree, folder: string): Promise<Selection> {
  const names = tree.names(folder);
  if (names.includes(ONNX)) return onnxFiles(tree, folder);
  const config: Selection = {
    files: settings(tree, folder),
    missing: names.includes(CONFIG) ? [] : below(folder, [CONFIG]),
  };
  return joined([config, await weightsOf(tree, folder)]);
}

/** Small files that say what weights are. */
function settings(tree: FileTree, folder: string): readonly string[] {
  return below(
    folder,
    tree.names(folder).filter((name) => name.endsWith(".json") && !name.includes(".index.")),
  );
}

async function weightsOf(tree: FileTree, folder: string): Promise<Selection> {
  const names = tree.names(folder);
  const [plain] = folder.startsWith("text_encoder") ? PLAIN.toReversed() : PLAIN;
  const indices = names.filter((name) => INDEX.test(name));
  const whole = names.filter((name) => WEIGHTS.test(name) && !PART.test(name));
  const plainIndex = indices.find((name) => INDEX.exec(name)?.[1] === undefined);
  const plainFile = PLAIN.find((name) => whole.includes(name));
  const others = [...indices, ...whole];
  const variant = VARIANTS.map((of) => others.find((name) => name.includes(`.${of}.`))).find(Boolean);
  const chosen = plainIndex ?? plainFile ?? (others.length === 1 ? others[0] : variant);
  if (chosen === undefined) {
    const instead = others.length > 1 ? `one of ${others.join(", ")}` : "or its parts and their index";
    return { files: [], missing: [`${join(folder, plain)}, ${instead}`] };
  }
  if (!INDEX.test(chosen)) return { files: [join(folder, chosen)], missing: [] };
  return joined([{ files: [join(folder, chosen)], missing: [] }, await partsOf(tree, folder, chosen)]);
}

/** The files that an index of weights names. Throws TRITC_E_HUB. */
async function partsOf(tree: FileTree, folder: string, index: string): Promise<Selection> {
  const path = join(folder, index);
  const map = parsed(await tree.text(path), path).get("weight_map");
  const named = new Set(map instanceof Map ? map.values() : []);
  const names = tree.names(folder);
  const parts: string[] = [];
  for (const part of named) {
    if (typeof part === "string" && SAFETENSORS.test(part) && !/[/\\]/.test(part)) parts.push(part);
    else {
      throw protocolError({
        message: "the index names a file that is no part of the model",
        place: path,
        expected: "safetensors files in the same folder",
        found: typeof part === "string" ? part : "no file name",
        remedy: "use another revision of the repository",
      });
    }
  }
  if (parts.length === 0) return { files: [], missing: [`the files that ${path} should name`] };
  return {
    files: below(
      folder,
      parts.filter((part) => names.includes(part)),
    ),
    missing: below(
      folder,
      parts.filter((part) => !names.includes(part)),
    ),
  };
}

/** An ONNX file with its data, which may be called anything. */
function onnxFiles(tree: FileTree, folder: string): Selection {
  const isOther = (name: string) =>
    /^\.|\.(?:onnx|safetensors|sft|gguf|bin|pth?|msgpack|h5|md|png|jpe?g|webp|gif|mp4)$/i.test(name);
  const files = tree.names(folder).filter((name) => name === ONNX || !isOther(name));
  return { files: below(folder, files), missing: [] };
}

/** One weight file, all parts of it where it is one of several, and the settings beside it. */
async function selectWeightFile(tree: FileTree, file: string): Promise<Selection> {
  const slash = file.lastIndexOf("/");
  const [folder, name] = [file.slice(0, Math.max(0, slash)), file.slice(slash + 1)];
  const names = tree.names(folder);
  const config = ["config.json", "quantization_config.json"].filter((each) => names.includes(each));
  const beside: Selection = { files: below(folder, config), missing: [] };
  if (!names.includes(name)) return { ...beside, missing: [file] };
  const own: Selection = { files: [file], missing: [] };
  if (INDEX.test(name)) return joined([beside, own, await partsOf(tree, folder, name)]);
  if (!PART.test(name)) return joined([beside, own]);
  const family = name.replace(PART, "");
  const parts = names.filter((each) => PART.test(each) && each.replace(PART, "") === family);
  const indices = names.filter((each) => INDEX.test(each) && each.startsWith(family));
  const count = Number(/-of-(\d{5})/.exec(name)?.[1]);
  const missing = parts.length === count ? [] : [`all ${count} parts of ${file}`];
  return joined([beside, { files: below(folder, [...indices, ...parts]), missing }]);
}

function parsed(text: string, path: string): ReadonlyMap<string, JsonValue> {
  let value: JsonValue;
  try {
    value = parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    value = error.message;
  }
  if (value instanceof Map) return value;
  throw protocolError({
    message: "the file holds no JSON object",
    place: path,
    found: typeof value === "string" ? value : "other JSON",
    remedy: "use another revision of the repository",
  });
}

function joined(parts: readonly Selection[]): Selection {
  return {
    files: [...new Set(parts.flatMap(({ files }) => files))],
    missing: parts.flatMap(({ missing }) => missing),
  };
}

function below(folder: string, names: readonly string[]): string[] {
  return names.map((name) => join(folder, name));
}

function join(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
