import type { AttentionParams } from "../../ir/families/attention.js";
import type { Counts, Launched } from "../choice/cost.js";
import { alone, olderShare, residentOf, WARP_ACCESS } from "../cuda/counts.js";

/** What matrix instructions reach of their rate: of warpgroups, and of warps. */
const WARPGROUP_SHARE = 0.93;
const WARP_SHARE = 0.8;
/** Cycles of a tile of keys beside its arithmetic: barriers, turns, the sums of rows' maxima. */
const TURN_CYCLES = 150;

/** Of all keys: as many as a launch has rows, which is what the blocks of a transformer have. */
function blockOf({ heads, headDim }: AttentionParams, { rows, launch }: Launched) {
  const tile = launch.tile[1];
  const bytes = rows * heads * headDim * 2;
  const workgroups = heads * Math.ceil(rows / tile);
  return {
    workgroups,
    // Blocks of a head run together, and its keys and values stay in L2.
    bytes: { l2: 2 * bytes + workgroups * 2 * rows * headDim * 2, memory: 4 * bytes },
    /** Of both products with one key: operations, and exponentials. */
    operations: 4 * tile * headDim,
    special: tile,
  };
}

/** The part of a softmax that ptxas leaves no products beside: it waits for the output first, instead of after it. */
const EXPOSED = 0.8;

/** Warpgroups in turns: the softmax of one runs beside the other's products, but for what both have to wait. */
export function hopperCounts(
  params: AttentionParams,
  { keys }: { readonly keys: number },
  launched: Launched,
): Counts {
  const { workgroups, bytes, operations, special } = blockOf(params, launched);
  const { rows, speed } = launched;
  const tiles = Math.ceil(rows / keys);
  const padded = tiles * keys;
  const exponentials = (special * padded) / (speed.perCycle.special ?? 1);
  return {
    workgroups,
    bytes,
    each: { tensorF16: (operations * padded) / WARPGROUP_SHARE, special: special * padded },
    resident: 1,
    serial: EXPOSED * exponentials + tiles * TURN_CYCLES,
  };
}

interface WarpTile {
  readonly rowTiles: number;
  readonly keys: number;
}

/** Warps of their own rows: scores, softmax and output after one another, which other warps hide in part. */
function warps(
  params: AttentionParams,
  { rowTiles, keys }: WarpTile,
  launched: Launched,
  int8: boolean,
  share: number,
) {
  const { workgroups, bytes, operations, special } = blockOf(params, launched);
  const { rows, launch, speed } = launched;
  const { headDim } = params;
  const count = launch.workgroup[0] / 32;
  const tiles = Math.ceil(rows / keys);
  const padded = tiles * keys;
  // Queries are read anew for each tile of keys; a matrix of keys or values serves rowTiles products.
  const matrices = (keys / 16) * (headDim / 16) * 2 + rowTiles * (headDim / 16);
  const products = 2 * 2 * rowTiles * (keys / 16) * (headDim / 16);
  // Maxima, exponents, sums, rounding of scores; the output is scaled.
  const softmax = rowTiles * ((keys / 8) * 4 * 5 + (headDim / 8) * 4 + 40);
  // Codes of keys, and floats of sums.
  const quantizing = int8 ? (keys * headDim * 4) / 32 / count + rowTiles * (keys / 8) * 4 * 2 : 0;
  const resident = residentOf(launched);
  const half = (operations * padded) / 2 / (share * olderShare(launched));
  return {
    workgroups,
    bytes,
    each: {
      tensorF16: int8 ? half : 2 * half,
      ...(int8 ? { tensorInt8: half } : {}),
      issue: tiles * count * (matrices + products + softmax + quantizing),
      shared: tiles * (count * matrices * WARP_ACCESS + keys * headDim * 4),
      special: special * padded,
    },
    resident,
    serial: alone(resident, {
      end: 2000,
      steps: tiles,
      stages: 2,
      stageCycles: (operations * keys) / (speed.perCycle.tensorF16 ?? 1),
    }),
  };
}

export function mmaCounts(
  params: AttentionParams,
  { from, ...tile }: WarpTile & { readonly from: string },
  launched: Launched,
): Counts {
  // Instructions of sm_75 are of half the size; later architectures take as long for each.
  const isHalf = from === "sm_75" && (launched.device.cuda?.facts.computeCapability[0] ?? 0) >= 8;
  return warps(params, tile, launched, false, isHalf ? WARP_SHARE / 2 : WARP_SHARE);
}

export function int8Counts(params: AttentionParams, tile: WarpTile, launched: Launched): Counts {
  return warps(params, tile, launched, true, WARP_SHARE);
}
