/** Counts of the ternary products in WebAssembly: the loops of the templates beside, instruction by instruction. */
import { paddedK } from "../../ir/families/contract/arguments.js";
import { TERNARY_BLOCKS } from "../../ir/families/contract/weights.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import type { Counts, Launched } from "../choice/cost.js";
import {
  blocksOf,
  inRegisters,
  NOTHING,
  rereads,
  sumOf,
  times,
  type Work,
  watCounts,
  work,
} from "../wat/counts.js";
import { EARLY, gemmCounts, storing } from "../wat/gemm-counts.js";

const CHANNELS = TERNARY_BLOCKS.wat.i8.channels;
/** Vectors of results of a row in a block. */
const VECTORS = CHANNELS / 4;

/** Products of so many rows with all k of a block of 8 channels, and what a thread keeps in registers meanwhile. */
interface Products {
  readonly work: Work;
  readonly live: number;
  /** How often the loop around them turns for all k, and a sum is added to in a turn. */
  readonly turns: number;
  readonly additions: number;
}

/** Bytes times codes, 16 k a turn: four times two vectors of codes, which all rows meet. */
function relaxedProducts(k: number, rows: number): Products {
  return {
    work: work({
      loads: 2 + 4 * rows,
      // Shifts and masks; an address for each row's four bytes; sums; the loop.
      other: 14 + rows * 4 * (1 + 2) + 3,
      products: 8 * rows,
    }),
    // Sums; a vector of codes, the mask, two parts of them, a row's bytes and a product.
    live: 2 * rows + 6,
    turns: paddedK(k) / 16,
    additions: 4,
  };
}

/** Pairs of half words, 8 k a turn. */
function plainProducts(k: number, rows: number): Products {
  return {
    work: work({
      loads: 1 + 2 * rows,
      other: 2 * (2 * rows + 2 * (4 + 2 * rows)) + 3,
      products: 8 * rows,
    }),
    live: 4 * rows + rows + 5,
    turns: paddedK(k) / 8,
    additions: 2,
  };
}

type Multiplies = (k: number, rows: number) => Products;
interface Int8Config {
  readonly rows: number;
}

/** int8 rows with one scale for each channel. */
export const relaxedCounts = int8Counts(relaxedProducts, relaxedSums);
export const plainCounts = int8Counts(plainProducts, () => NOTHING);
/** With scales of groups of inputs. */
export const relaxedGroupCounts = int8Counts(relaxedProducts, groupSums);
export const plainGroupCounts = int8Counts(plainProducts, groupSums);

/** Sums of 16 bits become sums of 32 in memory every 256 k. */
function relaxedSums({ k }: TernaryGemmParams, rows: number): Work {
  const passes = Math.ceil(paddedK(k) / 256);
  return times(work({ loads: 2 * rows, stores: passes > 1 ? 2 * rows : 0, other: 6 * rows }), passes);
}

/** The sum of each group becomes a float, times its scale, plus what is in memory. */
function groupSums({ k, group }: TernaryGemmParams, rows: number): Work {
  const groups = groupsOf(k, group ?? null);
  return times(
    work({ loads: rows * (1 + 2 * 2), stores: 2 * rows, other: rows * (2 + 2 * 3) + 4, f32: 4 * rows }),
    groups,
  );
}

function int8Counts(products: Multiplies, sums: (params: TernaryGemmParams, rows: number) => Work) {
  return (params: TernaryGemmParams, { rows }: Int8Config, launched: Launched): Counts => {
    const { n, k } = params;
    const block = (count: number) => {
      const { work: step, live, turns, additions } = products(k, count);
      return sumOf([
        times(inRegisters(step, live, additions), turns),
        sums(params, count),
        work({ other: 20 + 8 * count, loads: 3 * VECTORS * count, f32: 2 * VECTORS * count }),
        storing(VECTORS * count, params),
      ]);
    };
    return gemmCounts(
      {
        ...{ n, block, channels: CHANNELS, rowGroups: [rows, 1], columnsOutside: false },
        ...{ rowBytes: paddedK(k), channelBytes: paddedK(k) / 4, resultBytes: 4 * n },
      },
      launched,
    );
  };
}

interface FloatConfig {
  readonly kBlock: number;
  readonly rows: number;
  readonly panelRows: number;
  readonly unroll: number;
  readonly relaxed: boolean;
}

/** Instructions that one saves which multiplies and adds: less than one, since V8 has to move its operands. */
const FUSED = 0.4;

/** Rows of blocks, descending to 1; as `wat.ts` renders them. */
export function floatRowGroups(rows: number): readonly number[] {
  return [rows, 4, 2, 1].filter((group, i) => i === 0 || group < rows);
}

/** f32 rows: panels of codes become floats for the rows of a tile, which multiply as in dense-gemm. */
export function floatCounts(params: TernaryGemmParams, config: FloatConfig, launched: Launched): Counts {
  const { n, k, group } = params;
  const { kBlock, panelRows, unroll, relaxed } = config;
  const { rows, launch, speed } = launched;
  const [tileN, tileM] = launch.tile;
  const panels = Math.ceil(n / CHANNELS);
  const kBlocks = Math.ceil(k / kBlock);
  const [whole, rest] = [Math.floor(rows / tileM), rows % tileM];
  const isDirect = rest < panelRows;
  const decoding = times(
    work({ loads: VECTORS, other: 3 + 16 * 3 * VECTORS, stores: 16 * VECTORS, f32: 16 * VECTORS }),
    (paddedK(k) / 16) * panels * (whole + (rest > 0 && !isDirect ? 1 : 0)),
  );
  const direct = times(
    sumOf([
      times(
        work({
          loads: 16 + VECTORS,
          other: 16 * VECTORS * 3 + 4 - (relaxed ? FUSED * 16 * VECTORS : 0),
          f32: 16 * VECTORS * 3,
        }),
        paddedK(k) / 16,
      ),
      storing(VECTORS, params),
    ]),
    isDirect ? rest * panels : 0,
  );
  const block = (count: number) => {
    const step = work({
      loads: VECTORS + count,
      f32: 2 * VECTORS * count,
      other: (count + 2) / unroll - (relaxed ? FUSED * VECTORS * count : 0),
    });
    // A fused product takes a register more than it would have to, as one that is not does.
    const live = VECTORS * count + VECTORS + 2 + EARLY * (unroll - 1);
    return sumOf([
      times(inRegisters(step, live), k),
      // Between panels sums go through memory; a group's are scaled on the way.
      times(work({ loads: VECTORS * count, stores: VECTORS * count, other: 25 + 3 * count }), kBlocks),
      group === undefined ? NOTHING : times(work({ loads: VECTORS, f32: 2 * VECTORS * count }), kBlocks),
      storing(VECTORS * count, params),
    ]);
  };
  const blocks = blocksOf(isDirect ? rows - rest : rows, tileM, floatRowGroups(config.rows));
  const multiplying = [...blocks].map(([count, number]) => times(block(count), number * panels));
  const tileRows = Math.ceil(rows / tileM);
  const tiles = tileRows * Math.ceil(n / tileN);
  const inputs = Math.min(rows, tileM) * 4 * Math.min(k, kBlock);
  return watCounts(
    tiles,
    sumOf([decoding, direct, ...multiplying]),
    [
      { l2: 0, memory: 4 * rows * (k + n) + (n * paddedK(k)) / 4 },
      // The panel comes by for each block of rows, the rows' part of k for each panel, codes for each row of tiles.
      rereads(4 * CHANNELS * kBlock + 16_384, (rows / config.rows) * kBlocks * panels, speed),
      rereads(inputs, panels * kBlocks * tileRows, speed),
      rereads((n * paddedK(k)) / 4, tileRows - 1, speed),
    ],
    speed,
  );
}
