import type { CudaTensorMap } from "../program/program.js";
import { present, rowArg, tableArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { flag, floats, optional, real, size, type ValuesOf, word } from "./contract/params.js";
import { scalar } from "./contract/sizes.js";
import { HARDWARE, SHADER_F16 } from "./launch/features.js";
import { form, range, threads } from "./launch/form.js";

const params = {
  heads: size,
  /** A multiple of 4. */
  headDim: size,
  scale: real,
  /** What q, k, v and out are stored in; f32 if absent. */
  storage: optional(floats),
  /**
   * Scores may come from int8 codes of q and k, made on the way with a scale per row (bf16 storage only): of scores with
   * a standard deviation of 1 that is some 0.7% in the output, beside 0.2% from bf16.
   */
  int8: optional(flag),
  /** What WGSL kernels may round queries, keys and values to before they are multiplied; f32 if absent. */
  products: optional(word("f16")),
  /** Heads of k and v, a divisor of `heads`; as many if absent. */
  keyValueHeads: optional(size),
  /** Keys after a query do not take part in it. */
  causal: optional(flag),
  /** Scores have a term for each distance of key and query. */
  bias: optional(flag),
  /** Of what type the words are that say which keys take part: those that are not 0. */
  mask: optional(word("f32", "i32", "u32")),
  /** Keys with a mask of 0 take part, but lose so much of their scores for queries whose mask, of f32, is 1. */
  maskLoss: optional(real),
};
export type AttentionParams = ValuesOf<typeof params>;

/** Whether scores depend on more than a query and a key. */
export function hasTerms({ causal = false, bias = false, mask }: AttentionParams): boolean {
  return causal || bias || mask !== undefined;
}

/** Whether all that scores depend on besides is what masked keys lose. */
export function losesOnly({ causal = false, bias = false, maskLoss }: AttentionParams): boolean {
  return !causal && !bias && maskLoss !== undefined;
}

/** Heads of k and v, where there are fewer of them. */
export function sharedHeads({ heads, keyValueHeads = heads }: AttentionParams): number | undefined {
  return keyValueHeads === heads ? undefined : keyValueHeads;
}

const variant = form<AttentionParams>();

/** What all forms take. */
function unequal({ heads, keyValueHeads = heads, mask, maskLoss }: AttentionParams): string | undefined {
  if (maskLoss !== undefined && mask !== "f32") return "masked keys lose a part of scores by a mask of f32";
  return keyValueHeads > 0 && heads % keyValueHeads === 0
    ? undefined
    : `${heads} heads of queries are no multiple of ${keyValueHeads} of keys`;
}

/** Vectors of four channels. */
function vectors(params: AttentionParams, most: number): string | undefined {
  const { headDim } = params;
  const fault = unequal(params);
  if (fault !== undefined) return fault;
  return headDim % 4 === 0 && headDim <= most
    ? undefined
    : `heads of ${headDim} channels, and it takes multiples of 4 up to ${most}`;
}

/** What matrix instructions take. */
function matrices(params: AttentionParams, multiple: number, most: number): string | undefined {
  const { headDim, scale, storage } = params;
  const fault = unequal(params);
  if (fault !== undefined) return fault;
  if (hasTerms(params) && !losesOnly(params))
    return "scores have a bias, a mask that leaves keys out, or an order, and it takes none";
  if (sharedHeads(params) !== undefined) return "heads of queries share keys, and it takes as many of both";
  if (storage !== "bf16") return "rows are stored in f32, and it multiplies 16-bit ones";
  if (!(scale > 0)) return "the scale of the scores is not positive";
  return headDim % multiple === 0 && headDim <= most
    ? undefined
    : `heads of ${headDim} channels, and it takes multiples of ${multiple} up to ${most}`;
}

/** Where the groups' vectors and the sums of values lie in a thread's scratch memory. */
export function watAttentionScratch({ queries, keys }: { readonly queries: number; readonly keys: number }) {
  const state = keys * 16;
  return { state, sums: state + (queries / 4) * 48 };
}

const wat = {
  /** One head of some queries, keys in blocks. */
  attention: variant({
    dimensions: { queries: [8, 16, 32, 64], keys: [64] },
    refuses: (params) => vectors(params, Number.POSITIVE_INFINITY),
    launch: ({ headDim }, config) => ({
      tile: [1, config.queries, 1],
      sharedBytes: watAttentionScratch(config).sums + config.queries * headDim * 4,
    }),
  }),
} as const;

/** Channels of q, k and v in workgroup memory at a time, and keys: 8 invocations of 4. */
export const FLASH_CHUNK = 32;
const FLASH_KEYS = 32;

const wgsl = {
  /** 8 x 8 invocations; `block` rows of one. */
  flash: variant({
    dimensions: { block: [1, 2, 4], valueChunks: [1, 2] },
    needs: () => [HARDWARE],
    refuses: (params, { block, valueChunks }) => flashFault(params, block, valueChunks),
    launch(_, { block }) {
      const rows = 8 * block;
      return {
        workgroup: [8, 8, 1],
        tile: [1, rows, 1],
        sharedBytes: flashTile(block) * 16 + rows * (FLASH_KEYS + 1) * 4 + rows * 8 * 4,
      };
    },
  }),
  /**
   * The same with rows read in vectors, and in another order of keys; with operands of f16, queries times the scale and keys are
   * bounded to ±90 and values to ±8188, so that eight products of them have a sum in f16, and all else is f32.
   */
  "flash-vectors": variant({
    dimensions: { block: [1, 2, 4], valueChunks: [1, 2], operands: ["f32", "f16"] },
    needs: ({ operands }) => (operands === "f16" ? [HARDWARE, SHADER_F16] : [HARDWARE]),
    refuses(params, { block, valueChunks, operands }) {
      if (operands === "f16" && params.products !== "f16") return "operands are to stay f32";
      if (hasTerms(params)) return "scores have a bias, a mask, or an order, and it takes none";
      return flashFault(params, block, valueChunks);
    },
    launch(_, { block, operands }) {
      const rows = 8 * block;
      const bytes = operands === "f16" ? 2 : 4;
      return {
        workgroup: [8, 8, 1],
        tile: [1, rows, 1],
        sharedBytes: (flashTile(block) + rows * 9) * 4 * bytes + rows * 8 * 4,
      };
    },
    rounding: (_, { operands }) => `four keys of an invocation, ${operands}`,
  }),
  /** An invocation for each row. */
  rows: variant({
    dimensions: { rows: [8, 16, 32] },
    refuses: (params) => vectors(params, Number.POSITIVE_INFINITY),
    launch: (_, { rows }) => ({ workgroup: threads(rows), tile: [1, rows, 1] }),
  }),
  /** As `rows`, with loops over the channels. */
  loops: variant({
    dimensions: { rows: [8, 16, 32] },
    refuses: (params) => vectors(params, 2048),
    launch: (_, { rows }) => ({ workgroup: threads(rows), tile: [1, rows, 1] }),
  }),
} as const;

function flashFault(params: AttentionParams, block: number, valueChunks: number): string | undefined {
  const { headDim } = params;
  if (block > 1 && block * headDim > 512)
    return `${block} rows of ${headDim} channels take too many registers`;
  if (valueChunks > 1 && headDim <= FLASH_CHUNK) return "a head has one chunk of values";
  // Values take the place of queries and keys, which are no longer needed then.
  const vectorsOfValues = FLASH_KEYS * ((valueChunks * FLASH_CHUNK) / 4 + 1);
  if (vectorsOfValues > flashTile(block))
    return `${valueChunks} chunks of values exceed the memory of queries and keys`;
  return vectors(params, Number.POSITIVE_INFINITY);
}

/** Vectors of queries and keys in workgroup memory, one more to a row than it has against bank conflicts. */
function flashTile(block: number): number {
  return (8 * block + FLASH_KEYS) * (FLASH_CHUNK / 4 + 1);
}

/** Registers of a thread: scores of so many keys and channels of the output, in rowTiles x 16 rows of a warp. */
function warpRegisters(
  headDim: number,
  { rowTiles, keys }: { readonly rowTiles: number; readonly keys: number },
): number {
  return rowTiles * (keys / 2 + headDim / 2) + 40;
}

interface Int8Tile {
  readonly warps: number;
  readonly rowTiles: number;
  readonly keys: number;
}

function int8Rows({ warps, rowTiles }: Int8Tile): number {
  return 16 * rowTiles * warps;
}

/** Keys and values, codes of queries and of keys. */
function int8Bytes(headDim: number, config: Int8Tile): number {
  const { keys } = config;
  return (2 * keys * pitchOf(headDim) + (int8Rows(config) + keys) * pitchOf(headDim / 2)) * 2;
}

const cuda = {
  /** Warpgroup matrix instructions and tensor maps: two warpgroups of 64 rows and a producer. */
  hopper: variant({
    dimensions: { groups: [2], keys: [64, 128], stages: [2, 3, 4] },
    needs: () => ["sm_90a"],
    refuses: (params) =>
      params.headDim === 128
        ? matrices(params, 128, 128)
        : `heads of ${params.headDim} channels, and it takes 128`,
    launch({ heads, headDim, maskLoss }, { groups, keys, stages }) {
      const rows = 64 * groups;
      const map = (arg: number, of: CudaTensorMap["rows"], boxRows: number): CudaTensorMap => ({
        arg,
        columns: heads * headDim,
        rows: of,
        box: [64, boxRows],
        swizzle: "128B",
      });
      return {
        workgroup: threads(128 * (groups + 1)),
        tile: [1, rows, 1],
        sharedBytes: (rows + 2 * stages * keys) * headDim * 2,
        tensorMaps: [
          map(0, "launch", 64),
          map(1, 0, keys),
          map(2, 0, keys),
          map(maskLoss === undefined ? 3 : 4, "launch", 64),
        ],
      };
    },
    rounding: (_, { keys }) => `${keys} keys at a time`,
  }),
  /** Scores from int8. */
  int8: variant({
    dimensions: { warps: [2, 4, 8], rowTiles: [1, 2], keys: [32, 64] },
    needs: () => ["sm_80"],
    refuses(params, config) {
      const { headDim } = params;
      const wrong = params.int8 === true ? matrices(params, 32, 128) : "products of int8 are not asked for";
      if (wrong !== undefined) return wrong;
      const { warps, keys } = config;
      if ((32 * warps) / keys > headDim / 8)
        return `${32 * warps} threads quantize ${keys} keys of ${headDim} channels`;
      return int8Bytes(headDim, config) >= int8Rows(config) * pitchOf(headDim) * 2
        ? undefined
        : `the output of ${int8Rows(config)} rows does not fit where ${keys} keys lie`;
    },
    launch: ({ headDim }, config) => ({
      workgroup: threads(32 * config.warps),
      tile: [1, int8Rows(config), 1],
      sharedBytes: int8Bytes(headDim, config),
      // Sums of codes beside their scores.
      registers: warpRegisters(headDim, config) + 32,
    }),
    rounding: (_, { keys }) => `${keys} keys at a time`,
  }),
  /** Matrix instructions of warps, from an architecture on: of f16 on sm_75, else of bf16. */
  mma: variant({
    dimensions: {
      from: ["sm_75", "sm_80", "sm_86"],
      warps: [2, 4, 8],
      rowTiles: [1, 2],
      keys: [16, 32, 64, 128],
    },
    needs: ({ from }) => [from],
    refuses: (params, { rowTiles, from }) =>
      matrices(params, 16, rowTiles === 1 && from !== "sm_75" ? 256 : 128),
    launch({ headDim }, { warps, rowTiles, keys }) {
      const rows = 16 * rowTiles * warps;
      return {
        workgroup: threads(32 * warps),
        tile: [1, rows, 1],
        sharedBytes: (rows + 2 * keys) * pitchOf(headDim) * 2,
        registers: warpRegisters(headDim, { rowTiles, keys }),
      };
    },
    rounding: (_, { from, keys }) => `${keys} keys at a time in ${from === "sm_75" ? "f16" : "bf16"}`,
  }),
  /** f32 arithmetic, for every architecture and storage: 16 x 16 threads. */
  simt: variant({
    dimensions: { chunk: range(4, 128, 4), rowBlock: [1, 2, 4], keyBlock: [1, 2, 4] },
    needs: () => ["sm_70"],
    refuses(params, { chunk, rowBlock }) {
      const { headDim } = params;
      if (chunk !== Math.min(headDim, 128)) return "it takes chunks of 128 channels, or of a whole head";
      if (rowBlock > 1 && rowBlock * headDim > 512)
        return `${rowBlock} rows of ${headDim} channels take too many registers`;
      return vectors(params, 2048);
    },
    launch(_, { chunk, rowBlock, keyBlock }) {
      const [rows, keys] = [16 * rowBlock, 16 * keyBlock];
      // An odd number of vectors from row to row.
      const pitch = 4 * ((chunk / 4) | 1);
      return {
        workgroup: threads(256),
        tile: [1, rows, 1],
        sharedBytes: ((rows + keys) * pitch + rows * (keys + 4)) * 4,
      };
    },
    rounding: (_, { keyBlock }) => `${16 * keyBlock} keys at a time`,
  }),
} as const;

/** `TileShape` of cuda/attention-tile.cuh: elements of 16 bits from row to row of a tile. */
function pitchOf(columns: number): number {
  return columns % 64 === 0 ? columns : columns + 8;
}

const keys = scalar(0);
const distances = scalar(1);

/**
 * out[T, H·D] = softmax(scale · q · kᵀ + bias) · v per head, over the `keys` rows of k and v that take part. Scalars: keys; with
 * a bias the T + keys − 1 distances of which it has an entry each, that of key j and query i at j − i + T − 1; with a `maskLoss`
 * the tokens that the mask is of, which queries and keys begin with.
 */
export const attention = defineFamily({
  params,
  forms: { wat, wgsl, cuda },
  args(all) {
    const { heads, headDim, storage = "f32", causal = false, bias = false, mask, maskLoss } = all;
    const width = heads * headDim;
    const narrow = (sharedHeads(all) ?? heads) * headDim;
    // Where a query's number counts, a launch can't be cut into pieces of rows, which are counted from 0 each.
    const queries = (name: string, access: "read" | "write") =>
      causal || bias || maskLoss !== undefined
        ? tableArg(name, storage, "rows", width, access)
        : rowArg(name, storage, width, access);
    return present([
      queries("q", "read"),
      tableArg("k", storage, keys, narrow),
      tableArg("v", storage, keys, narrow),
      bias && tableArg("bias", "f32", heads, distances),
      mask !== undefined && tableArg("mask", mask, 1, maskLoss === undefined ? keys : maskedTokens(all)),
      queries("out", "write"),
    ]);
  },
  scalars: ({ bias = false, maskLoss }) => [
    "u32",
    ...(bias ? (["u32"] as const) : []),
    ...(maskLoss === undefined ? [] : (["u32"] as const)),
  ],
  grid: ({ heads }) => [heads, "rows", 1],
  assumes: ({ products }) => (products === "f16" ? [SHADER_F16] : []),
  operations({ heads, headDim, storage = "f32", int8 = false, causal }, { rows, scalars: [count = 0] }) {
    const product = 2 * (causal ? pairsInOrder(rows, count) : rows * count) * heads * headDim;
    if (storage === "f32") return { f32: 2 * product };
    return int8 ? { int8: product, bf16: product } : { bf16: 2 * product };
  },
});

/** The tokens that a mask is of which lessens scores, as a scalar. */
export function maskedScalar({ bias = false }: AttentionParams): number {
  return bias ? 2 : 1;
}

function maskedTokens(params: AttentionParams) {
  return scalar(maskedScalar(params));
}

/** Pairs of a query and a key that is not after it. */
function pairsInOrder(queries: number, count: number): number {
  const square = Math.min(queries, count);
  return (square * (square + 1)) / 2 + (queries - square) * count;
}
