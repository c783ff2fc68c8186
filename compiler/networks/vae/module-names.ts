/**
 * What files call the modules of a VAE, which are named as Diffusers names them now: besides that, as its older
 * versions named the middle attention, and as the original files (`ae.safetensors`) name everything.
 */
export function moduleNames(module: string, levels: number): readonly [string, ...string[]] {
  return [module, olderName(module), originalName(module, levels)];
}

const OLDER: Readonly<Record<string, string>> = {
  to_q: "query",
  to_k: "key",
  to_v: "value",
  "to_out.0": "proj_attn",
};

function olderName(module: string): string {
  return module.replace(/(attentions\.0\.)(to_[qkv]|to_out\.0)$/, (_, path, name) => `${path}${OLDER[name]}`);
}

/** Parts of names, in the order in which they are replaced. */
const ORIGINAL: readonly (readonly [RegExp, string])[] = [
  [/^quant_conv$/, "encoder.quant_conv"],
  [/^post_quant_conv$/, "decoder.post_quant_conv"],
  [/conv_norm_out$/, "norm_out"],
  [/mid_block\.resnets\.0\./, "mid.block_1."],
  [/mid_block\.resnets\.1\./, "mid.block_2."],
  [/mid_block\.attentions\.0\.group_norm$/, "mid.attn_1.norm"],
  [/mid_block\.attentions\.0\.to_([qkv])$/, "mid.attn_1.$1"],
  [/mid_block\.attentions\.0\.to_out\.0$/, "mid.attn_1.proj_out"],
  [/down_blocks\.(\d+)\.resnets\./, "down.$1.block."],
  [/down_blocks\.(\d+)\.downsamplers\.0\./, "down.$1.downsample."],
  [/up_blocks\.(\d+)\.resnets\./, "up.$1.block."],
  [/up_blocks\.(\d+)\.upsamplers\.0\./, "up.$1.upsample."],
  [/conv_shortcut$/, "nin_shortcut"],
];

/** The original counts the decoder's levels from the largest pictures, Diffusers from the smallest. */
function originalName(module: string, levels: number): string {
  const counted = module.replace(/up_blocks\.(\d+)/, (_, level) => `up_blocks.${levels - 1 - Number(level)}`);
  return ORIGINAL.reduce((name, [part, by]) => name.replace(part, by), counted);
}
