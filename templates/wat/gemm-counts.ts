import type { Activation } from "../../ir/ops/linears.js";
import type { Counts, Launched } from "../choice/cost.js";
import { type Bytes, blocksOf, rereads, sumOf, times, type Work, watCounts, work } from "./counts.js";

/** What `wat/gemm-run.wat.hbs` and its kin walk over. */
export interface GemmWalk {
  readonly n: number;
  /** Channels of a block, and its possible rows, descending to 1. */
  readonly channels: number;
  readonly rowGroups: readonly number[];
  /** What a block of so many rows does. */
  block(rows: number): Work;
  /** Bytes of one row's inputs, and of the weights of one channel. */
  readonly rowBytes: number;
  readonly channelBytes: number;
  /** All rows of a tile meet a block of channels before the next one. */
  readonly columnsOutside: boolean;
  /** Bytes of the results of a row. */
  readonly resultBytes: number;
}

/** Counts of a product whose tiles are walked in blocks of rows and channels. */
export function gemmCounts(walk: GemmWalk, { rows, launch, speed }: Launched): Counts {
  const [tileN, tileM] = launch.tile;
  const { n, channels, rowBytes, channelBytes } = walk;
  const tileRows = Math.ceil(rows / tileM);
  const tileColumns = Math.ceil(n / tileN);
  const blocks = blocksOf(rows, tileM, walk.rowGroups);
  let rowBlocks = 0;
  const columnBlocks = Math.ceil(n / channels);
  const whole: Work[] = [];
  for (const [group, count] of blocks) {
    rowBlocks += count;
    if (count > 0) whole.push(times(walk.block(group), count * columnBlocks));
  }
  const bytes: Bytes[] = [
    // From memory once, and to it.
    { l2: 0, memory: rows * (rowBytes + walk.resultBytes) + n * channelBytes },
  ];
  if (walk.columnsOutside) {
    // Weights of a block stay, the tile's rows come by for each of them.
    bytes.push(rereads(channels * channelBytes, (rowBlocks * n) / channels, speed));
    bytes.push(rereads(Math.min(rows, tileM) * rowBytes, (tileRows * n) / channels, speed));
  } else {
    // The tile's weights come by for each block of rows.
    bytes.push(rereads(Math.min(n, tileN) * channelBytes, rowBlocks * tileColumns, speed));
  }
  // Every row of tiles reads all weights: of few rows they come from memory, and what lies in a cache is not known to stay.
  bytes.push(rereads(n * channelBytes, Math.max(0, tileRows - 1), speed));
  return watCounts(tileRows * tileColumns, sumOf(whole), bytes, speed);
}

/** Registers that V8 takes for loads of each further k of an unrolled loop, which it begins early. */
export const EARLY = 4;

/** Instructions for a vector of four results behind the product, by activation: those of the functions in `wat/`. */
const ACTIVATION: Readonly<Record<Activation, number>> = {
  none: 0,
  silu: 35,
  "gelu-tanh": 45,
  "gelu-erf": 60,
};

/** What storing so many vectors of four results takes. */
export function storing(
  vectors: number,
  of: { readonly activation: Activation; readonly bias: boolean; readonly gated: boolean },
): Work {
  const { activation, bias, gated } = of;
  return times(
    work({
      other: 16 + ACTIVATION[activation],
      loads: 4 + (bias ? 1 : 0) + (gated ? 2 : 0),
      stores: 1,
      f32: (bias ? 1 : 0) + (gated ? 2 : 0),
      special: activation === "none" ? 0 : 1,
    }),
    vectors,
  );
}
