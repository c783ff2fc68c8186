import { type AttentionParams, attention, FLASH_CHUNK } from "../../ir/families/attention.js";
import type { Counts, Launched } from "../choice/cost.js";
import { kernelTemplates } from "../kernel-templates.js";
import { BARRIER, type Invocation, total, wgslCounts } from "../wgsl/counts.js";
import { exactly } from "../wgsl/exactly.js";
import { termValues } from "./terms.js";
import { type FlashVectors, flashVectorTile, quadsOf } from "./wgsl-vector-counts.js";

export const attentionWgsl = kernelTemplates(attention.forms.wgsl, {
  configs({ params: { headDim, products } }) {
    const block = blockRows(headDim);
    return [
      { variant: "flash", block, valueChunks: 2 },
      { variant: "flash", block, valueChunks: 1 },
      ...(products === "f16"
        ? [{ variant: "flash-vectors", block, valueChunks: 2, operands: "f16" } as const]
        : []),
      { variant: "flash-vectors", block, valueChunks: 2, operands: "f32" },
      // The same tile, so that one grid serves both.
      { variant: headDim <= 128 ? "rows" : "loops", rows: block === 4 ? 32 : block === 2 ? 16 : 8 },
    ];
  },
  values: {
    flash(params, { block, valueChunks }) {
      const { headDim, scale } = params;
      return { headDim, ...chunksOf(headDim, valueChunks), block, scale, ...termValues(params) };
    },
    "flash-vectors"(params, { block, valueChunks, operands }) {
      const { headDim, scale, heads, keyValueHeads = heads } = params;
      return {
        ...{ headDim, block, scale, sharing: heads / keyValueHeads },
        ...chunksOf(headDim, valueChunks),
        partial: headDim % FLASH_CHUNK !== 0,
        quads: quadsOf(operands),
        half: operands === "f16",
        element: operands,
      };
    },
    rows: (params, { rows }) => rowValues(params, rows),
    loops(params, { rows }) {
      const { terms: _, ...values } = rowValues(params, rows);
      return values;
    },
  },
  cost: {
    flash: flashCounts,
    "flash-vectors": vectorCounts,
    rows: (params, _, launched) => rowCounts(params, 0, launched),
    // Channels in arrays, which lie in memory.
    loops: (params, _, launched) => rowCounts(params, 4 * params.headDim, launched),
  },
  header: (_, { variant }) =>
    variant === "flash-vectors" ? { elements: { q: "vec4<f32>", k: "vec4<f32>", v: "vec4<f32>" } } : {},
});

/** Chunks of a head's channels, and of its values those that are in workgroup memory at a time. */
function chunksOf(headDim: number, valueChunks: number) {
  const chunks = Math.ceil(headDim / FLASH_CHUNK);
  const stages = Array.from({ length: Math.ceil(chunks / valueChunks) }, (_, i) => ({
    first: i * valueChunks,
    end: Math.min(chunks, (i + 1) * valueChunks),
  }));
  return { chunks, valueChunks, stages };
}

function rowValues(params: AttentionParams, rows: number) {
  return {
    headDim: params.headDim,
    vectors: exactly(params.headDim, 4, "channels of a head"),
    rowsPerTile: rows,
    scale: params.scale,
    ...termValues(params),
  };
}

/** Rows of one invocation: its block of output channels, headDim / 8 a row, has to fit its registers. */
function blockRows(headDim: number): 1 | 2 | 4 {
  if (headDim <= 128) return 4;
  return headDim <= 256 ? 2 : 1;
}

/** Keys of a tile, and invocations that a row of the workgroup has. */
const [KEYS, LANES] = [32, 8];

/** Counts by the loops of `flash.wgsl.hbs`, with as many keys as there are rows. */
function flashCounts(
  params: AttentionParams,
  { block, valueChunks }: { readonly block: number; readonly valueChunks: number },
  launched: Launched,
): Counts {
  const { headDim } = params;
  const { rows, speed } = launched;
  const chunks = Math.ceil(headDim / FLASH_CHUNK);
  const vector: Invocation = { loads: 4, other: 14, shared: [[1, speed.lanes]] };
  const rowsOfSubgroup = Math.max(1, speed.lanes / LANES);
  const scores = total([
    [block + KEYS / LANES, vector],
    [2, { other: BARRIER }],
    [
      LANES,
      {
        other: 3,
        fused: 16 * block,
        shared: [
          [4, LANES],
          [block, rowsOfSubgroup],
        ],
      },
    ],
  ]);
  // The row's largest of eight parts, exponentials of four keys, and what was summed before.
  const softmax: Invocation = {
    other: 30 + 4 * chunks,
    special: 5,
    shared: [[16, rowsOfSubgroup]],
  };
  const values = total([
    [4 * valueChunks, vector],
    [2, { other: BARRIER }],
    [
      KEYS,
      {
        other: 3,
        fused: 4 * block * valueChunks,
        shared: [
          [valueChunks, LANES],
          [block, rowsOfSubgroup],
        ],
      },
    ],
  ]);
  const keyTile = total([
    [chunks, scores],
    [2, { other: BARRIER }],
    [block, softmax],
    [Math.ceil(chunks / valueChunks), values],
  ]);
  return counts(
    params,
    total([
      [Math.ceil(rows / KEYS), keyTile],
      [block * chunks, { loads: 4, other: 4, special: 1 }],
    ]),
    block * (4 * chunks + 8) + 4 * valueChunks + 40,
    launched,
  );
}

/** As `flashCounts`, of rows that are read in vectors. */
function vectorCounts(params: AttentionParams, config: FlashVectors, launched: Launched): Counts {
  const { headDim } = params;
  const { block } = config;
  const chunks = Math.ceil(headDim / FLASH_CHUNK);
  const { tile, operands } = flashVectorTile(headDim, config, launched);
  return counts(
    params,
    total([
      [Math.ceil(launched.rows / KEYS), tile],
      [block * chunks, { loads: 4, other: 4, special: 1 }],
    ]),
    block * (4 * chunks + 8) + operands + 40,
    launched,
  );
}

/** Counts of an invocation for each row, with as many keys as there are rows. */
function rowCounts(params: AttentionParams, inMemory: number, launched: Launched): Counts {
  const { headDim } = params;
  const key: Invocation = {
    loads: 2 * headDim + inMemory,
    fused: 2 * headDim,
    other: 12 + headDim / 8,
    special: 1.1,
  };
  const { rows, launch } = launched;
  const active = rows / (Math.ceil(rows / launch.tile[1]) * launch.tile[1]);
  const registers = inMemory === 0 ? 2 * headDim + 24 : 48;
  return counts(
    params,
    // Rows that there are not take nothing.
    total([
      [rows * active, key],
      [active, { loads: 2 * headDim, other: 2 * headDim }],
    ]),
    registers,
    launched,
  );
}

function counts(
  params: AttentionParams,
  invocation: Invocation,
  registers: number,
  launched: Launched,
): Counts {
  const { heads, headDim } = params;
  const { rows, launch, speed } = launched;
  const tileRows = Math.ceil(rows / launch.tile[1]);
  const workgroups = heads * tileRows;
  const keyBytes = rows * headDim * 8;
  // Keys and values of a head that the last cache does not hold come from memory for every tile of rows.
  const passes = keyBytes * 2 <= speed.l2Bytes ? 1 : Math.ceil(workgroups / (4 * speed.units * heads));
  return wgslCounts(
    invocation,
    {
      workgroups,
      registers,
      bytes: {
        l2: workgroups * keyBytes + 8 * rows * heads * headDim,
        memory: 8 * rows * heads * headDim + Math.max(1, passes) * heads * keyBytes,
      },
    },
    launched,
  );
}
