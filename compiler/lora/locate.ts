import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { someOf } from "../checkpoint/errors.js";
import { fileKind, refuseKind } from "../file-kind.js";
import { loraError } from "./errors.js";

export interface AdapterFiles {
  readonly weights: string;
  /** PEFT's `adapter_config.json` beside the weights. */
  readonly config: string | undefined;
}

/** The weights of PEFT's `save_pretrained` and of Diffusers' `save_lora_weights`. */
const USUAL = ["adapter_model.safetensors", "pytorch_lora_weights.safetensors"];
const CONFIG = "adapter_config.json";

/** The files of an adapter that was given as a file or as a folder. Throws TRITC_E_LORA, TRITC_E_FILE_KIND. */
export function locateAdapter(path: string): AdapterFiles {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true) return withConfig(path);
  if (found?.isDirectory() === true) {
    const files = readdirSync(path).sort();
    const weights = files.filter((name) => /\.(?:safetensors|sft)$/.test(name));
    const chosen =
      USUAL.find((name) => weights.includes(name)) ?? (weights.length === 1 ? weights[0] : undefined);
    if (chosen !== undefined) return withConfig(join(path, chosen));
    throw loraError({
      place: path,
      message: weights.length === 0 ? "the folder has no adapter" : "the folder has several adapters",
      expected: `${USUAL.join(" or ")}, or one .safetensors file`,
      found: someOf(weights.length === 0 ? files : weights) || "an empty folder",
      remedy:
        weights.length === 0
          ? "save the adapter as safetensors (.bin files are not read)"
          : "give the file itself, with a scale behind a colon if it is not 1: style.safetensors:0.8",
    });
  }
  throw loraError({
    place: path,
    message: found === undefined ? "there is no such adapter" : "the adapter is neither a file nor a folder",
    expected: "a .safetensors file, or the folder of one",
    remedy: "give the file itself, with a scale behind a colon if it is not 1: style.safetensors:0.8",
  });
}

function withConfig(weights: string): AdapterFiles {
  refuseKind(weights, fileKind(weights), "an adapter as safetensors");
  const config = join(dirname(weights), CONFIG);
  return { weights, config: existsSync(config) ? config : undefined };
}
