import { existsSync } from "node:fs";
import { join } from "node:path";
import { CONFIG, NetworkConfig } from "../config.js";
import { networkError } from "../errors.js";
import type { NetworkPart, PipelineFolder } from "../part.js";
import { clipText } from "./clip.js";
import type { TextNetwork, TextNetworkKind } from "./kind.js";
import { qwen3 } from "./qwen3.js";
import { t5Encoder } from "./t5.js";

const FOLDERS = ["text_encoder", "text_encoder_2"] as const;
const KINDS: readonly TextNetworkKind[] = [clipText, t5Encoder, qwen3];

/** The text encoders of a pipeline. Throws TRITC_E_NETWORK, TRITC_E_CHECKPOINT. */
export function textNetworks({ folder, className }: PipelineFolder): readonly NetworkPart[] {
  return FOLDERS.flatMap((name) => {
    const own = join(folder, name);
    if (!existsSync(join(own, CONFIG)) || existsSync(join(own, "model.onnx"))) return [];
    const network = textNetwork(own, className);
    return [{ name, folder: own, build: () => network.build(), sizes: network.sizes }];
  });
}

/** The network of a folder. `className` is that of its pipeline. */
export function textNetwork(folder: string, className: string): TextNetwork {
  const config = NetworkConfig.read(folder);
  const type = config.text("model_type");
  const kind = KINDS.find(({ modelTypes }) => type !== undefined && modelTypes.includes(type));
  if (kind !== undefined) return kind.open(folder, config, className);
  throw networkError({
    place: `${config.file}: model_type`,
    message: "the text encoder is of a kind that tritc does not compile",
    expected: KINDS.map(({ title }) => title).join(", "),
    found: type ?? "no model_type",
  });
}
