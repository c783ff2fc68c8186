/** VAEs whose files name modules otherwise, and folders that are no VAE that is built. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseSafetensors, serialize } from "../../../ir/format/safetensors.js";
import type { Tensor } from "../../../ir/tensor.js";
import { difference, expectedOf, FIXTURES, type Half, interpretNetwork, partOf } from "./networks.js";

const HALVES: readonly Half[] = ["vae_decoder", "vae_encoder"];
const root = mkdtempSync(join(tmpdir(), "tritc-vae-"));
afterAll(() => rmSync(root, { recursive: true }));

interface Change {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tensors?: (name: string, tensor: Tensor) => readonly (readonly [string, Tensor])[];
}

/** A fixture, changed, in a folder of its own. */
function changed(fixture: string, { config = {}, tensors }: Change): string {
  const folder = mkdtempSync(join(root, "f-"));
  cpSync(join(FIXTURES, fixture), folder, { recursive: true });
  const file = join(folder, "config.json");
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...config }));
  for (const name of readdirSync(folder).filter((name) => /^diffusion.*\.safetensors$/.test(name))) {
    const path = join(folder, name);
    const all = [...parseSafetensors(readFileSync(path))];
    const mapped = tensors === undefined ? all : all.flatMap(([key, tensor]) => tensors(key, tensor));
    writeFileSync(path, serialize(new Map(mapped)));
  }
  return folder;
}

function renamed(rules: readonly (readonly [RegExp, string])[]): NonNullable<Change["tensors"]> {
  return (name, tensor) => [[rules.reduce((old, [from, to]) => old.replace(from, to), name), tensor]];
}

const OLDER = renamed([
  [/\.to_q\./, ".query."],
  [/\.to_k\./, ".key."],
  [/\.to_v\./, ".value."],
  [/\.to_out\.0\./, ".proj_attn."],
]);

/** The names of the original `ae.safetensors`, whose attention has convolutions of single pixels. */
const ORIGINAL: NonNullable<Change["tensors"]> = (name, tensor) => {
  const levels = 3;
  const match = /^decoder\.up_blocks\.(\d)\.(.*)$/.exec(name);
  const turned =
    match === null
      ? name
      : `decoder.up.${levels - 1 - Number(match[1])}.${match[2]}`.replace(/upsamplers\.0/, "upsample");
  const [[found] = [""]] = renamed([
    [/down_blocks\.(\d)/, "down.$1"],
    [/downsamplers\.0/, "downsample"],
    [/mid_block\.resnets\.0/, "mid.block_1"],
    [/mid_block\.resnets\.1/, "mid.block_2"],
    [/\.resnets\./, ".block."],
    [/mid_block\.attentions\.0/, "mid.attn_1"],
    [/group_norm/, "norm"],
    [/to_([qkv])/, "$1"],
    [/to_out\.0/, "proj_out"],
    [/conv_shortcut/, "nin_shortcut"],
    [/conv_norm_out/, "norm_out"],
  ])(turned, tensor);
  const isMatrix = tensor.shape.length === 2;
  return [[found, isMatrix ? { ...tensor, shape: [...tensor.shape, 1, 1] } : tensor]];
};

/** An error with these details. */
function refusal(details: Readonly<Record<string, unknown>>) {
  return expect.objectContaining({ details: expect.objectContaining(details) });
}

describe("other names of the same tensors", () => {
  it.each([
    ["Diffusers' older ones", OLDER],
    ["the original ones", ORIGINAL],
  ])("%s", (_, tensors) => {
    const folder = changed("kl", { tensors });
    for (const half of HALVES) {
      const { given, wanted } = expectedOf(folder)[half];
      expect(difference(interpretNetwork(partOf(folder, half), given), wanted)).toBeLessThan(1e-5);
    }
  });

  it("has one set of them in a file", () => {
    // A tensor that is left over is one that the configuration does not mean.
    const folder = changed("kl", { tensors: (name, t) => [[name, t], ...OLDER(name, t)] });
    expect(() => partOf(folder, "vae_decoder").build()).toThrow(
      refusal({
        code: "TRITC_E_CHECKPOINT",
        found: expect.stringContaining("decoder.mid_block"),
      }),
    );
  });
});

describe("sizes", () => {
  it("are those of the largest picture, in latents", () => {
    const planned = { textTokens: 512, height: 1024, width: 40 };
    expect(partOf(join(FIXTURES, "kl"), "vae_decoder").sizes(planned)).toEqual({
      latent_height: 256,
      latent_width: 10,
    });
    expect(partOf(join(FIXTURES, "flux2"), "vae_encoder").sizes(planned)).toEqual({
      latent_height: 256,
      latent_width: 10,
    });
  });

  it("of inputs and outputs are polynomials", () => {
    const types = (fixture: string, half: Half) => {
      const graph = partOf(join(FIXTURES, fixture), half).build();
      return [...graph.inputs, ...graph.outputs].map((id) => [id, ...(graph.types.get(id)?.shape ?? [])]);
    };
    expect(types("kl", "vae_decoder")).toEqual([
      ["latent_sample", 1, 3, "latent_height", "latent_width"],
      ["sample", 1, 3, "4*latent_height", "4*latent_width"],
    ]);
    expect(types("kl", "vae_encoder")).toEqual([
      ["sample", 1, 3, "4*latent_height", "4*latent_width"],
      ["latent_parameters", 1, 6, "latent_height", "latent_width"],
    ]);
    expect(types("flux2", "vae_encoder")).toEqual([
      ["sample", 1, 3, "4*latent_height", "4*latent_width"],
      ["latent_sample", 1, 12, "latent_height", "latent_width"],
    ]);
  });
});

describe("refusals", () => {
  it.each<[string, Readonly<Record<string, unknown>>, string, string]>([
    ["another class", { _class_name: "VQModel" }, "TRITC_E_NETWORK", "_class_name"],
    ["another activation", { act_fn: "relu" }, "TRITC_E_NETWORK", "act_fn"],
    [
      "attention in a level",
      { up_block_types: ["AttnUpDecoderBlock2D"] },
      "TRITC_E_NETWORK",
      "up_block_types",
    ],
    ["means of latents", { latents_mean: [0, 1, 2] }, "TRITC_E_NETWORK", "latents_mean"],
    [
      "channels that are no whole groups",
      { block_out_channels: [4, 7, 8] },
      "TRITC_E_CHECKPOINT",
      "block_out_channels",
    ],
    [
      "fewer levels of the decoder",
      { decoder_block_out_channels: [4] },
      "TRITC_E_CHECKPOINT",
      "decoder_block_out_channels",
    ],
    ["levels that are no list", { block_out_channels: 4 }, "TRITC_E_CHECKPOINT", "block_out_channels"],
  ])("%s", (_, config, code, key) => {
    const folder = changed("kl", { config });
    expect(() => partOf(folder, "vae_decoder")).toThrow(
      refusal({ code, place: expect.stringMatching(new RegExp(`config.json: ${key}$`)) }),
    );
  });

  it("tensors that the configuration does not ask for, of the network that is built", () => {
    const folder = changed("kl-no-attention", { config: { use_quant_conv: false } });
    expect(() => partOf(folder, "vae_encoder").build()).toThrow(
      refusal({ code: "TRITC_E_CHECKPOINT", found: expect.stringContaining("quant_conv") }),
    );
    expect(partOf(folder, "vae_decoder").build().nodes.length).toBeGreaterThan(10);
  });

  it("tensors that are missing or of another shape", () => {
    const less = changed("kl", {
      tensors: (name, t) => (name === "decoder.conv_in.weight" ? [] : [[name, t]]),
    });
    expect(() => partOf(less, "vae_decoder").build()).toThrow(
      refusal({ place: expect.stringContaining("decoder.conv_in.weight") }),
    );
    const wider = changed("kl", { config: { latent_channels: 4 } });
    expect(() => partOf(wider, "vae_decoder").build()).toThrow(
      refusal({ expected: "[8, 4, 3, 3]", found: "[8, 3, 3, 3]" }),
    );
  });
});
