import type { DenseGemmParams } from "../dense-gemm.js";
import { HARDWARE } from "./features.js";
import { form, range, threads } from "./form.js";
import { GEMM_DIMENSIONS, gemmTile, panelFault } from "./gemm-tile.js";

const gemm = form<DenseGemmParams>();

const wat = {
  float: gemm({
    dimensions: { tileN: range(8, 64, 8), tileM: [32], rows: [4], unroll: [4] },
    launch: (_, { tileN, tileM }) => ({ tile: [tileN, tileM, 1] }),
  }),
} as const;

/** Elements of k in workgroup memory at a time. */
const STAGE = 16;

const wgsl = {
  tiled: gemm({
    dimensions: GEMM_DIMENSIONS,
    needs: () => [HARDWARE],
    refuses: (_, config) => panelFault(config),
    launch(_, config) {
      const shape = gemmTile(config);
      const [columns, rows] = shape.tile;
      return { ...shape, sharedBytes: rows * (STAGE / 4 + 1) * 16 + columns * STAGE * 4 };
    },
  }),
  direct: gemm({
    dimensions: GEMM_DIMENSIONS,
    refuses: (_, config) => panelFault(config),
    launch: (_, config) => gemmTile(config),
  }),
} as const;

const cuda = {
  /** threadsX·4·groupsN columns and threadsY·4·groupsM rows. */
  tiled: gemm({
    dimensions: {
      threadsX: [16],
      threadsY: [8],
      groupsM: [1, 2],
      groupsN: [1, 2],
      /** Blocks that an SM is to hold, which gives a thread its share of the registers. */
      blocks: [3, 8],
    },
    needs: () => ["sm_70"],
    launch: (_, { threadsX, threadsY, groupsM, groupsN }) => ({
      workgroup: threads(threadsX * threadsY),
      tile: [threadsX * 4 * groupsN, threadsY * 4 * groupsM, 1],
    }),
  }),
} as const;

export const denseGemmForms = { wat, wgsl, cuda } as const;
