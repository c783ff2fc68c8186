import type { GemmTile } from "../../ir/families/launch/gemm-tile.js";
import type { Activation } from "../../ir/ops/linears.js";
import type { Counts, Launched } from "../choice/cost.js";
import { BARRIER, type Invocation, total, wgslCounts } from "./counts.js";

/** A product of rows with weights, a workgroup for each tile. */
export interface GemmLaunch {
  readonly n: number;
  /** Bytes of the inputs of a row, of the weights of a column, and of the results of a row. */
  readonly rowBytes: number;
  readonly columnBytes: number;
  readonly resultBytes: number;
  /** Registers of an invocation beside its sums. */
  readonly operands: number;
}

/** Registers of addresses, loops and what compilers keep besides. */
const REGISTERS = 24;
/** Workgroups of a unit whose reads of the same weights meet in the last cache. */
const MEETING = 4;

/** Counts of a product: an invocation has blockM x blockN results and does `invocation` for them. */
export function gemmCounts(
  invocation: Invocation,
  { blockM, blockN }: { readonly blockM: number; readonly blockN: number },
  { n, rowBytes, columnBytes, resultBytes, operands }: GemmLaunch,
  launched: Launched,
): Counts {
  const { rows, launch, speed } = launched;
  const [tileN, tileM] = launch.tile;
  const tileRows = Math.ceil(rows / tileM);
  const workgroups = tileRows * Math.ceil(n / tileN);
  // Rows that an invocation takes where there are fewer are those that there are: it ends without a product.
  const active = (Math.ceil(rows / blockM) * blockM) / (tileRows * tileM);
  // Weights that the last cache does not hold are read again by workgroups that run later.
  const passes =
    n * columnBytes <= speed.l2Bytes
      ? 1
      : Math.min(tileRows, Math.ceil(workgroups / (speed.units * MEETING)));
  return wgslCounts(
    total([[active, invocation]]),
    {
      workgroups,
      registers: blockM * blockN + operands + REGISTERS,
      bytes: {
        l2: workgroups * (tileN * columnBytes + tileM * rowBytes) + rows * resultBytes,
        memory: rows * (rowBytes + resultBytes) + passes * n * columnBytes,
      },
    },
    launched,
  );
}

/** Instructions for a result behind the product. */
const ACTIVATION: Readonly<Record<Activation, readonly [other: number, special: number]>> = {
  none: [0, 0],
  silu: [3, 2],
  "gelu-tanh": [12, 2],
  "gelu-erf": [20, 2],
};

/** What storing a result takes, scales included. */
export function storing({
  activation,
  bias,
  gated,
}: {
  readonly activation: Activation;
  readonly bias: boolean;
  readonly gated: boolean;
}): Invocation {
  const [other, special] = ACTIVATION[activation];
  return total([
    [1, { other: 14, loads: 2, fused: 1 }],
    [1, { other, special }],
    [bias ? 1 : 0, { other: 1, loads: 1 }],
    [gated ? 1 : 0, { other: 2, loads: 2, fused: 1 }],
  ]);
}

/** Elements of k that go through workgroup memory at a time, as floats: `wgsl/gemm-tile.ts`. */
export const STAGE = 16;

/** A stage of k through workgroup memory, rows and weights as floats: `x` for each vector of a row, `w` for each of weights. */
export function staged(tile: GemmTile, x: Invocation, w: Invocation, launched: Launched): Invocation {
  const { threadsX, threadsY, blockM, blockN } = tile;
  const { columns, rows } = distinctOf(tile, launched);
  const threads = threadsX * threadsY;
  const put: Invocation = { shared: [[1, launched.speed.lanes]], other: 8 };
  return total([
    [
      ((STAGE / 4) * threadsY * blockM) / threads,
      total([
        [1, put],
        [1, x],
      ]),
    ],
    [
      (STAGE * threadsX * blockN) / 4 / threads,
      total([
        [1, put],
        [1, w],
      ]),
    ],
    [2, { other: BARRIER }],
    [
      STAGE / 4,
      {
        other: 3,
        fused: 4 * blockM * blockN,
        shared: [
          [blockN, columns],
          [blockM, rows],
        ],
      },
    ],
  ]);
}

/** Different vectors that the invocations of a subgroup access by their column, and by their row in a workgroup. */
export function distinctOf({ threadsX }: GemmTile, { speed }: Launched) {
  const columns = Math.min(threadsX, speed.lanes);
  return { columns, rows: Math.max(1, speed.lanes / threadsX) };
}
