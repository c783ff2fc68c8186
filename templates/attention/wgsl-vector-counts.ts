/** Counts of `flash-vectors.wgsl.hbs`, for an invocation and a tile of 32 keys. */
import { FLASH_CHUNK } from "../../ir/families/attention.js";
import type { Launched } from "../choice/cost.js";
import { BARRIER, type Invocation, total } from "../wgsl/counts.js";

/** Keys of a tile, and invocations that a row of the workgroup has. */
const [KEYS, LANES] = [32, 8];

export interface FlashVectors {
  readonly block: number;
  readonly valueChunks: number;
  readonly operands: "f32" | "f16";
}

/** Vectors of four keys whose values are summed at a time: eight in f16. */
export function quadsOf(operands: FlashVectors["operands"]): 1 | 2 {
  return operands === "f16" ? 2 : 1;
}

/** What an invocation does for a tile of keys, and its registers beside the sums. */
export function flashVectorTile(headDim: number, config: FlashVectors, { speed }: Launched) {
  const { block, valueChunks, operands } = config;
  const half = operands === "f16";
  const size = half ? 0.5 : 1;
  const chunks = Math.ceil(headDim / FLASH_CHUNK);
  const rowsOfSubgroup = Math.max(1, speed.lanes / LANES) * size;
  const distinct = LANES * size;
  // Address, whether the row begins with a vector, the vector's place; bounds and conversions.
  const vector: Invocation = { vectors: 1, other: half ? 17 : 8, shared: [[1, speed.lanes * size]] };
  const pairs = (products: number): Invocation => (half ? { pairs: products / 2 } : { fused: products });
  const scores = total([
    [block + KEYS / LANES, vector],
    [2, { other: BARRIER }],
    [
      LANES,
      total([
        [1, pairs(16 * block)],
        [
          1,
          {
            other: 3,
            shared: [
              [4, distinct],
              [block, rowsOfSubgroup],
            ],
          },
        ],
      ]),
    ],
    // Conversions and sums of four.
    [half ? 4 * block : 0, { other: 8 }],
  ]);
  const softmax: Invocation = {
    other: 30 + 4 * chunks + (half ? 8 : 0),
    special: 5,
    shared: [[9, rowsOfSubgroup]],
  };
  const quads = quadsOf(operands);
  const values = total([
    [4 * valueChunks, vector],
    [2, { other: BARRIER }],
    [
      KEYS / (4 * quads),
      total([
        [1, pairs(16 * quads * block * valueChunks)],
        [
          1,
          {
            other: 3 + (half ? 8 * block * valueChunks : 0),
            shared: [
              [4 * quads * valueChunks, distinct],
              [quads * block, rowsOfSubgroup],
            ],
          },
        ],
      ]),
    ],
  ]);
  return {
    tile: total([
      [chunks, scores],
      [2, { other: BARRIER }],
      [block, softmax],
      [Math.ceil(chunks / valueChunks), values],
    ]),
    // Sums of scores in f16 take two registers for four, as values do.
    operands: half ? 8 * block + 16 * valueChunks : 16 * valueChunks,
  };
}
