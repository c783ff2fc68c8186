import { checkpointError, someOf } from "../../checkpoint/errors.js";
import { namesOf, renamed, type StoredTensors } from "../../checkpoint/tensors.js";
import type { BlockCounts, FluxNames } from "./modules.js";

/** The tensors that a transformer's spelling and sizes are read from. */
export interface Landmarks {
  readonly names: (counts: BlockCounts) => FluxNames;
  readonly doubleBlocks: string;
  readonly singleBlocks: string;
  /** Weights [hidden, in] or [out, hidden] of the ends. */
  readonly latents: string;
  readonly context: string;
  readonly time: string;
  /** Residual layers behind it, where there are such. */
  readonly timeLayers?: string;
  readonly guidance: string;
  /** Where the model reads a summary of the text. */
  readonly pooled?: string;
  readonly output: string;
  /** RMSNorm weights [head channels], of the first block of either kind. */
  readonly headNorms: readonly string[];
  /** Weight of a double block whose rows are the MLP's. */
  readonly doubleMlp: string;
  /** Weight of a single block whose rows are the MLP's, and how many widths of other rows come before them. */
  readonly singleMlp: readonly [name: string, before: number];
  /** Rows of the MLPs' first linears for each channel that their second ones read. */
  readonly mlpRows: 1 | 2;
}

/** Those that all families call alike in Diffusers' files, */
export const DIFFUSERS_LANDMARKS = {
  doubleBlocks: "transformer_blocks",
  singleBlocks: "single_transformer_blocks",
  latents: "x_embedder.weight",
  context: "context_embedder.weight",
  output: "proj_out.weight",
  headNorms: ["transformer_blocks.0.attn.norm_q.weight", "single_transformer_blocks.0.attn.norm_q.weight"],
} as const;

/** and in original checkpoints. */
export const ORIGINAL_LANDMARKS = {
  doubleBlocks: "double_blocks",
  singleBlocks: "single_blocks",
  latents: "img_in.weight",
  context: "txt_in.weight",
  time: "time_in.in_layer.weight",
  guidance: "guidance_in.in_layer.weight",
  output: "final_layer.linear.weight",
  headNorms: ["double_blocks.0.img_attn.norm.query_norm.scale", "single_blocks.0.norm.query_norm.scale"],
  doubleMlp: "double_blocks.0.img_mlp.0.weight",
  singleMlp: ["single_blocks.0.linear1.weight", 3],
} as const;

/** A transformer that was found among the tensors of a file, under its plain names. */
export interface FoundTransformer {
  readonly spelling: Landmarks;
  readonly tensors: StoredTensors;
}

/** What other networks of a pipeline have before their names where the transformer's have nothing. */
const OTHER_NETWORK =
  /^(text_encoders?(_\d)?|cond_stage_model|conditioner|clip(_[lg])?|t5(xxl)?|vae|first_stage_model|tokenizers?)\./;

/** How a family's two implementations call the tensors, and what it is called itself. */
export interface Spellings {
  readonly diffusers: Landmarks;
  readonly original: Landmarks;
  readonly title: string;
}

/**
 * Finds the transformer's tensors behind whatever prefix the file puts before them (`model.diffusion_model.` in
 * checkpoints of a whole pipeline). Throws TRITC_E_CHECKPOINT where there is none, or more than one.
 */
export function findTransformer(
  all: StoredTensors,
  place: string,
  { diffusers, original, title }: Spellings,
): FoundTransformer {
  const found = [diffusers, original].flatMap((spelling) =>
    prefixesOf(all, spelling).map((prefix) => ({ spelling, prefix })),
  );
  const [first, ...more] = found;
  if (first === undefined) {
    throw checkpointError({
      place,
      message: "the file is no checkpoint of a FLUX transformer",
      expected: `${original.latents} and ${original.doubleBlocks}.*, or ${diffusers.latents} and ${diffusers.doubleBlocks}.*`,
      found: someOf([...namesOf(all)]) || "no tensors",
      remedy: `give a ${title} checkpoint, or the folder of a Diffusers model (adapters go with --lora)`,
    });
  }
  if (more.length > 0) {
    throw checkpointError({
      place,
      message: "the file holds several transformers",
      expected: "one",
      found: found.map(({ spelling, prefix }) => `${prefix}${spelling.latents}`).join(", "),
      remedy: "save the one to compile in a file of its own",
    });
  }
  return { spelling: first.spelling, tensors: withoutPrefix(all, first.prefix) };
}

/** Prefixes under which both ends of a transformer and a block of it lie. */
function prefixesOf(all: StoredTensors, spelling: Landmarks): readonly string[] {
  const blocks = [spelling.doubleBlocks, spelling.singleBlocks];
  const isBlock = (rest: string) => blocks.some((folder) => rest.startsWith(`${folder}.`));
  const names = [...namesOf(all)];
  return names
    .filter((name) => name === spelling.latents || name.endsWith(`.${spelling.latents}`))
    .map((name) => name.slice(0, -spelling.latents.length))
    .filter((prefix) => {
      const own = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
      return own.some(isBlock) && own.some((name) => name === spelling.output || name === spelling.context);
    });
}

function withoutPrefix(all: StoredTensors, prefix: string): StoredTensors {
  return renamed(all, (name) => {
    if (prefix === "") return OTHER_NETWORK.test(name) ? undefined : name;
    return name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
  });
}
