import type { Counts, Launched } from "../choice/cost.js";
import { alone, movedBy, type Product, residentOf, WARP_ACCESS } from "./counts.js";

/** What one that threads share has of a product in f32; see `CUDA_FLOAT_DIMENSIONS`. */
interface FloatTile {
  readonly groupsM: number;
  readonly groupsN: number;
  readonly stage: number;
}

/** Rows of a block whose threads share k. */
const FEW = 4;

/**
 * A product in f32 through two stages of shared memory: for each k a thread loads groupsM + groupsN vectors, with which it
 * multiplies 16·groupsM·groupsN times; `words`: instructions of a thread for each of the elements of weights that it unpacks.
 */
export function floatCounts(
  { rows, n, rowBytes, channelBytes, resultBytes }: Omit<Product, "tile" | "raster">,
  k: number,
  { groupsM, groupsN, stage }: FloatTile,
  launched: Launched,
  unpacking = 0,
): Counts {
  const { launch, speed } = launched;
  const [columns, tokens] = launch.tile;
  const warps = launch.workgroup[0] / 32;
  const resident = residentOf(launched);
  const moved = movedBy(
    { rows, n, rowBytes, channelBytes, resultBytes, tile: [columns, tokens], raster: 1 },
    launched,
    resident,
  );
  if (rows <= FEW) {
    // Threads read the weights straight from memory: all rows of them.
    const multiplied = columns * k;
    return {
      ...moved,
      each: { f32: 2 * multiplied * rows, issue: (multiplied / 32) * (rows + 0.5 + unpacking) },
      resident,
      serial: alone(resident, { end: 400, steps: 0, stages: 2, stageCycles: 1 }),
    };
  }
  const perThread = 16 * groupsM * groupsN;
  const loads = groupsM + groupsN;
  // What goes to shared memory for one k: rows and columns once.
  const stored = (columns + tokens) / (32 * warps);
  const issued = warps * (perThread + loads + 2 * stored * (1 + unpacking));
  const shared = warps * (loads * WARP_ACCESS + stored * 128);
  const cycles = Math.max(
    issued / (speed.perCycle.issue ?? 1),
    shared / (speed.perCycle.shared ?? 1),
    (2 * columns * tokens) / (speed.perCycle.f32 ?? 1),
  );
  return {
    ...moved,
    each: { f32: 2 * columns * tokens * k, issue: issued * k, shared: shared * k },
    resident,
    serial: alone(resident, {
      end: (columns * tokens) / 32,
      steps: Math.ceil(k / stage),
      stages: 2,
      stageCycles: stage * cycles,
    }),
  };
}
