/** How the warps of a block share its tile: each has groupsC x 16 channels and groupsT x 16 tokens. */
export interface WarpTile {
  readonly warpsC: number;
  readonly warpsT: number;
  readonly groupsC: number;
  readonly groupsT: number;
}

/** What a block of warps takes. */
export interface MmaPlan extends WarpTile {
  readonly threads: number;
  readonly channels: number;
  readonly tokens: number;
  /** Stages of 128 bytes of each token's row in shared memory. */
  readonly stages: number;
  /** Tokens whose sums are staged at a time, on their way out. */
  readonly stagedTokens: number;
  readonly sharedBytes: number;
  /** Blocks that a multiprocessor should hold: bounds the registers of a thread. */
  readonly blocks: number;
}

/**
 * 128 x 128 outputs and 8 warps of 32 x 64. Per 32 k a warp unpacks two words and loads four matrices for 16
 * multiplications of m16n8k32: half of what shared memory can deliver in the time an A100 multiplies. 64 sums leave
 * room for the weights of the next 128 k, so that two blocks fit: one multiplies while the other waits or stores.
 */
const TILE: WarpTile = { warpsC: 4, warpsT: 2, groupsC: 2, groupsT: 4 };
const BLOCKS = 2;
/** Three stages of two blocks are 96 of the 100 KiB that the smallest sm_80 relatives have. */
const AMPERE_STAGES = 3;
/** Loads wait in registers for their stage; two blocks of two stages are the 64 KiB of sm_75. */
const TURING_STAGES = 2;

const STAGE_ROW_BYTES = 128;
const WARP = 32;
const GROUP = 16;

export const ampereTile: MmaPlan = plan(TILE, AMPERE_STAGES, TILE.groupsT * GROUP);
export const turingTile: MmaPlan = plan(TILE, TURING_STAGES, (TILE.groupsT * GROUP) / 2);

function plan(tile: WarpTile, stages: number, stagedTokens: number): MmaPlan {
  const channels = tile.warpsC * tile.groupsC * GROUP;
  const tokens = tile.warpsT * tile.groupsT * GROUP;
  // Four words more from token to token: see stageFragment in cuda/ternary-fragments.cuh.
  const stagedBytes = stagedTokens * (channels + 4) * 4;
  return {
    ...tile,
    threads: tile.warpsC * tile.warpsT * WARP,
    channels,
    tokens,
    stages,
    stagedTokens,
    sharedBytes: Math.max(stages * tokens * STAGE_ROW_BYTES, stagedBytes),
    blocks: BLOCKS,
  };
}
