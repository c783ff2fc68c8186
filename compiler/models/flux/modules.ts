/**
 * The linears of a transformer of double and single blocks by the names of an implementation. A
 * module holds the rows of one or several linears; `roles` names them in the order of their rows, as
 * `describe-model` does (`double.3.img.q`), except that the two halves of the last modulation, which the
 * implementations have in opposite order, are `norm_out.scale` and `norm_out.shift`.
 */
export interface FluxModule {
  readonly name: string;
  readonly roles: readonly string[];
}

/** The RMSNorm weights of queries and keys, and of layers behind the timestep, by tensor name. */
export interface FluxVector {
  readonly name: string;
  readonly role: string;
}

export interface FluxNames {
  readonly modules: readonly FluxModule[];
  readonly vectors: readonly FluxVector[];
}

export interface BlockCounts {
  readonly doubleBlocks: number;
  readonly singleBlocks: number;
  /** Residual layers behind the timestep. */
  readonly timeLayers?: number;
}

export type Leaves = Readonly<Record<string, readonly string[]>>;

/** A family's linears by an implementation's names within a block, and outside of blocks. */
export interface LinearNames {
  readonly double: Leaves;
  readonly single: Leaves;
  readonly ends: Leaves;
  /** A residual layer behind the timestep, and its norm. */
  readonly timeLayer?: (i: number) => FluxNames;
}

/** What the families have in common in how an implementation calls its parts. */
interface Spelling {
  readonly doubleBlocks: string;
  readonly singleBlocks: string;
  /** Vectors of a block, and their roles there. */
  readonly doubleVectors: Readonly<Record<string, string>>;
  readonly singleVectors: Readonly<Record<string, string>>;
}

const DIFFUSERS: Spelling = {
  doubleBlocks: "transformer_blocks",
  singleBlocks: "single_transformer_blocks",
  doubleVectors: {
    "attn.norm_q.weight": "img.q.norm",
    "attn.norm_k.weight": "img.k.norm",
    "attn.norm_added_q.weight": "txt.q.norm",
    "attn.norm_added_k.weight": "txt.k.norm",
  },
  singleVectors: { "attn.norm_q.weight": "q.norm", "attn.norm_k.weight": "k.norm" },
};

const ORIGINAL: Spelling = {
  doubleBlocks: "double_blocks",
  singleBlocks: "single_blocks",
  doubleVectors: {
    "img_attn.norm.query_norm.scale": "img.q.norm",
    "img_attn.norm.key_norm.scale": "img.k.norm",
    "txt_attn.norm.query_norm.scale": "txt.q.norm",
    "txt_attn.norm.key_norm.scale": "txt.k.norm",
  },
  singleVectors: { "norm.query_norm.scale": "q.norm", "norm.key_norm.scale": "k.norm" },
};

/** Names in the files of Diffusers' transformers. */
export function diffusersSpelling(linears: LinearNames): (counts: BlockCounts) => FluxNames {
  return (counts) => spelledNames(counts, linears, DIFFUSERS);
}

/** Names in the original checkpoints. */
export function originalSpelling(linears: LinearNames): (counts: BlockCounts) => FluxNames {
  return (counts) => spelledNames(counts, linears, ORIGINAL);
}

function spelledNames(
  { doubleBlocks, singleBlocks, timeLayers = 0 }: BlockCounts,
  linears: LinearNames,
  spelling: Spelling,
): FluxNames {
  const modules: FluxModule[] = Object.entries(linears.ends).map(([name, roles]) => ({ name, roles }));
  const vectors: FluxVector[] = [];
  const block = (kind: "double" | "single", i: number) => {
    const folder = `${spelling[`${kind}Blocks`]}.${i}`;
    for (const [name, roles] of Object.entries(linears[kind])) {
      modules.push({ name: `${folder}.${name}`, roles: roles.map((role) => `${kind}.${i}.${role}`) });
    }
    for (const [name, role] of Object.entries(spelling[`${kind}Vectors`])) {
      vectors.push({ name: `${folder}.${name}`, role: `${kind}.${i}.${role}` });
    }
  };
  for (let i = 0; i < timeLayers; i++) {
    const layer = linears.timeLayer?.(i);
    modules.push(...(layer?.modules ?? []));
    vectors.push(...(layer?.vectors ?? []));
  }
  for (let i = 0; i < doubleBlocks; i++) block("double", i);
  for (let i = 0; i < singleBlocks; i++) block("single", i);
  return { modules, vectors };
}
