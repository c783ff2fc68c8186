import type { AdaptedModule, Resolved } from "../../lora/adapted.js";
import type { BlockCounts, FluxNames } from "./modules.js";

/** What trainers and tools put before the names of a transformer's modules, in any order and number. */
const PREFIX =
  /^(?:base_model|model|transformer(?![._]blocks)|diffusion_model|unet|lora|lycoris|module|_orig_mod|dit|net|flux)(?:\.|_+)/;
const ELSEWHERE =
  /^(?:te\d*|text_encoders?(?:_?\d)?|text_model|text_projection|logit_scale|clip(?:_?[lg\d])?|t5(?:_?xxl)?|vae|first_stage_model|cond_stage_model|conditioner|image_encoder|vision_model|controlnet|bundle_emb|emb_params|(?:en|de)coder|shared|final_layer_norm)(?:[._]|$)/i;
const BLOCK = /^((?:single_)?transformer_blocks|double_blocks|single_blocks)_\d+_/;

/** Rows of several linears that adapters have as one, although the model's names have them apart. */
export type JoinedModule = readonly [folder: string, leaf: string, roles: readonly string[]];

/** What adapters may call the modules of a family's transformers. */
export interface AdapterSpelling {
  /** Names in the files of each implementation. */
  readonly names: readonly ((counts: BlockCounts) => FluxNames)[];
  readonly joined: readonly JoinedModule[];
}

/** The modules of a FLUX transformer by the names that adapters have for them. */
export class ModuleNames {
  readonly #modules: ReadonlyMap<string, AdaptedModule>;
  /** Those of one block of either kind, which stand for what this model may lack. */
  readonly #any: ReadonlyMap<string, AdaptedModule>;

  constructor(spelling: AdapterSpelling, counts: BlockCounts) {
    this.#modules = modulesOf(spelling, counts);
    this.#any = modulesOf(spelling, { doubleBlocks: 1, singleBlocks: 1, timeLayers: 1 });
  }

  resolve(base: string): Resolved {
    for (let name = base; ; ) {
      const key = flat(name);
      const module = this.#modules.get(key);
      if (module !== undefined) return { is: "module", name: name.replace(/[._]+$/, ""), module };
      if (this.#any.has(key.replace(BLOCK, "$1_0_"))) return { is: "absent" };
      if (ELSEWHERE.test(name)) return { is: "elsewhere" };
      const rest = name.replace(PREFIX, "");
      if (rest === name) return { is: "unknown" };
      name = rest;
    }
  }
}

/**
 * Kohya's names have underscores where modules have dots, and sometimes one too many; some exports for FLUX.2 have lost the
 * first letters of `transformer_blocks`.
 */
function flat(name: string): string {
  return name
    .replace(/^sformer_blocks/, "transformer_blocks")
    .replaceAll(".", "_")
    .replace(/_+$/, "");
}

/** Diffusers' processors once held the factors: `attn.processor.to_q_lora.down.weight`. */
const IN_PROCESSOR = /^(.+)\.attn\.((?:to|add)_\w+(?:\.0)?)$/;

function modulesOf(
  { names, joined }: AdapterSpelling,
  counts: BlockCounts,
): ReadonlyMap<string, AdaptedModule> {
  const modules = new Map<string, AdaptedModule>();
  const add = (name: string, kind: AdaptedModule["kind"], roles: readonly string[]) =>
    modules.set(flat(name), { kind, roles });
  for (const { modules: linears, vectors } of names.map((namesOf) => namesOf(counts))) {
    for (const { name, roles } of linears) {
      add(name, "linear", roles);
      const [, block, leaf] = IN_PROCESSOR.exec(name) ?? [];
      if (leaf !== undefined) add(`${block}.attn.processor.${leaf.replace(".0", "")}`, "linear", roles);
    }
    for (const { name, role } of vectors) {
      add(name.replace(/\.(?:weight|scale)$/, ""), "norm", [role]);
      add(name, "norm", [role]);
    }
  }
  for (const [folder, leaf, roles] of joined) {
    const [kind, count] = /single/.test(folder)
      ? ["single", counts.singleBlocks]
      : ["double", counts.doubleBlocks];
    for (let i = 0; i < Number(count); i++) {
      add(
        `${folder}.${i}.${leaf}`,
        "linear",
        roles.map((role) => `${kind}.${i}.${role}`),
      );
    }
  }
  return modules;
}
