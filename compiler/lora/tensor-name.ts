/** What a tensor of an adapter is to the module it belongs to. */
export type Slot =
  // Low-rank factors, W + s·(up · mid · down), and what `up` adds to the bias.
  | "down"
  | "up"
  | "mid"
  | "up_bias"
  | "alpha"
  // DoRA, as PEFT and as LyCORIS store it.
  | "lora_magnitude_vector"
  | "dora_scale"
  // LoHa, LoKr and GLoRA.
  | `hada_${"w1_a" | "w1_b" | "w2_a" | "w2_b" | "t1" | "t2"}`
  | `lokr_${"w1" | "w1_a" | "w1_b" | "w2" | "w2_a" | "w2_b" | "t2"}`
  | "a1"
  | "a2"
  | "b1"
  | "b2"
  // Differences and new values.
  | "diff"
  | "diff_b"
  | "w_norm"
  | "b_norm"
  | "set_weight"
  | "reshape_weight"
  | "weight"
  | "bias"
  // Scales of rows or columns, rotations.
  | "on_input"
  | "ia3_l"
  | "oft_blocks"
  | "rescale"
  | "oft_R";

export interface TensorName {
  /** The module's name with whatever a trainer put before and behind it. */
  readonly base: string;
  readonly slot: Slot;
}

/** PEFT may put an adapter's name behind its own; `down` and `up` alone are XLabs'. */
const FACTOR =
  /^(.+?)[._](lora_(?:A|B|down|up|mid)|lora(?:_linear_layer)?\.(?:down|up)|down(?=\.weight$)|up(?=\.weight$))(?:\.(?!weight$|bias$)[\w-]+)?(?:\.(weight|bias))?$/;
const NAMED =
  /^(.+?)(?:\.(?:weight|scale))?\.(alpha|dora_scale|diff|diff_b|w_norm|b_norm|set_weight|reshape_weight|on_input|oft_blocks|rescale|[ab][12](?=\.weight$))(?:\.weight)?$/;
const PEFT =
  /^(.+?)\.(lora_magnitude_vector|hada_(?:w[12]_[ab]|t[12])|lokr_(?:w[12](?:_[ab])?|t2)|ia3_l|oft_R)(?:\.(?!weight$)[\w-]+)?(?:\.weight)?$/;
const PLAIN = /^(.+)\.(weight|bias|scale)$/;
/** Where PEFT keeps the module that it has wrapped, and copies of modules that it trains. */
const WRAPPER = /\.(?:base_layer|modules_to_save(?:\.[\w-]+)?)$/;

/** Undefined for names that no adapter form has. */
export function parseTensorName(name: string): TensorName | undefined {
  const [, factorOf, factor, kind] = FACTOR.exec(name) ?? [];
  if (factorOf !== undefined && factor !== undefined) {
    const slot = slotOfFactor(factor);
    if (kind !== "bias") return { base: factorOf, slot };
    return slot === "up" ? { base: factorOf, slot: "up_bias" } : undefined;
  }
  const [, base, slot] = NAMED.exec(name) ?? PEFT.exec(name) ?? [];
  if (base !== undefined && slot !== undefined) return { base, slot: slot as Slot };
  const [, module, suffix] = PLAIN.exec(name) ?? [];
  if (module === undefined) return undefined;
  return { base: module.replace(WRAPPER, ""), slot: suffix === "bias" ? "bias" : "weight" };
}

function slotOfFactor(name: string): "down" | "up" | "mid" {
  if (name.endsWith("mid")) return "mid";
  return /A$|down$/.test(name) ? "down" : "up";
}
