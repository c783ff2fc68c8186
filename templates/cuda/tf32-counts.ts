import type { Counts, Launched } from "../choice/cost.js";
import { alone, movedBy, olderShare, type Product, residentOf } from "./counts.js";

/** What one that warps share has of a product in tf32; see `CUDA_TF32_DIMENSIONS`. */
interface Tf32Tile {
  readonly warpsM: number;
  readonly warpsN: number;
  readonly groupsM: number;
  readonly groupsN: number;
  readonly stage: number;
}

/** What instructions of warps reach of their rate beside barriers; each takes long enough for the loads of the next. */
const WARP_SHARE = 0.9;
/** A product of 16 x 8 x 8 in tf32 takes the time of one of 16 x 8 x 16 in f16. */
const AS_F16 = 2;
/** Bytes of shared memory that a load of one word by each thread of a warp takes the time of. */
const WARP_WORDS = 128;
/** Instructions of a thread for four elements: a load and its address, four roundings, a store. */
const STAGING = 10;

/**
 * A product in tf32 by m16n8k8 through two stages of shared memory, as `multiplyStage` of `tf32-tile.cuh` has it: for 8 elements of k a
 * warp loads 4·groupsM + 2·groupsN words and multiplies groupsM·groupsN times. `unpacking`: instructions of a thread for each
 * element of weights.
 */
export function tf32Counts(
  { rows, n, rowBytes, channelBytes, resultBytes }: Omit<Product, "tile" | "raster">,
  k: number,
  { warpsM, warpsN, groupsM, groupsN, stage }: Tf32Tile,
  launched: Launched,
  unpacking = 0,
): Counts {
  const { launch, speed } = launched;
  const [columns, tokens] = launch.tile;
  const warps = warpsM * warpsN;
  const resident = residentOf(launched);
  const moved = movedBy(
    { rows, n, rowBytes, channelBytes, resultBytes, tile: [columns, tokens], raster: 1 },
    launched,
    resident,
  );
  const steps = Math.ceil(k / stage);
  const loads = 4 * groupsM + 2 * groupsN;
  // Of a stage, by all warps: its elements once to shared memory, four at a time.
  const staged = ((columns + tokens) * stage) / 4 / 32;
  const unpacked = (unpacking * columns * stage) / 32;
  const issued = (stage / 8) * warps * (loads + groupsM * groupsN) + STAGING * staged + unpacked;
  const shared = (stage / 8) * warps * loads * WARP_WORDS + 16 * 32 * staged;
  const products = (AS_F16 * 2 * columns * tokens * stage) / (WARP_SHARE * olderShare(launched));
  const cycles = Math.max(
    issued / (speed.perCycle.issue ?? 1),
    shared / (speed.perCycle.shared ?? 1),
    products / (speed.perCycle.tensorF16 ?? 1),
  );
  return {
    ...moved,
    each: { tensorF16: products * steps, issue: issued * steps, shared: shared * steps },
    resident,
    serial: alone(resident, { end: (columns * tokens) / 32, steps, stages: 2, stageCycles: cycles }),
  };
}
