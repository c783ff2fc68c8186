import type { HopperConfig, WarpsConfig } from "../../ir/families/launch/ternary-cuda.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import type { Counts, Launched } from "../choice/cost.js";
import { alone, movedBy, olderShare, type Product, residentOf, WARP_ACCESS } from "../cuda/counts.js";

/** Inputs of a stage of int8 rows. */
const K = 128;
/** What matrix instructions reach of their rate: of warpgroups, and of warps, which share issue slots and banks with loads. */
const WARPGROUP_SHARE = 0.93;
const WARP_SHARE = 0.8;
/** Rows in so many bytes. */
const ELEMENT_BYTES = { i8: 1, bf16: 2, f16: 4, f32: 4 } as const;

function product(params: TernaryGemmParams, rows: number, tile: Product["tile"], raster: number): Product {
  const { n, k, activations, group, out = "f32", gated } = params;
  return {
    ...{ rows, n, tile, raster },
    rowBytes: k * ELEMENT_BYTES[activations],
    channelBytes: k / 4 + 4 * groupsOf(k, group ?? null),
    resultBytes: (out === "f32" ? 4 : 2) + (gated ? 4 : 0),
  };
}

/** Inputs of a row in whole stages. */
const stagesOf = ({ k }: TernaryGemmParams) => Math.ceil(k / K);

/** The resource of a product's matrix instructions. */
const tensor = ({ activations }: TernaryGemmParams) => (activations === "i8" ? "tensorInt8" : "tensorF16");

/** Tiles of warps: what each issues by cuda/ternary-fragments.cuh and the loops of the templates, in 128 inputs. */
export function warpCounts(params: TernaryGemmParams, config: WarpsConfig, launched: Launched): Counts {
  const { warpsC, warpsT, groupsC, groupsT, stages, raster } = config;
  const { launch, device, speed, rows } = launched;
  const isTuring = device.cuda !== null && device.cuda.facts.computeCapability[0] < 8;
  const wide = params.activations === "i8" ? 1 : 2;
  const [channels, tokens] = launch.tile;
  const warps = warpsC * warpsT;
  const blocks = stagesOf(params);
  const products = 8 * groupsC * groupsT * wide;
  const loads = 4 * groupsT * wide;
  // Codes of four registers for 16 channels and 32 inputs take seven instructions, twice as many as bf16 pairs.
  const unpacking = 28 * groupsC * wide;
  // Promoting a sum takes three.
  const promoting =
    params.group === undefined ? 0 : (3 * 8 * groupsC * groupsT * K) / Math.min(params.group, params.k);
  const copies = ((tokens * 8 * wide) / launch.workgroup[0]) * 4;
  const issued = (isTuring ? 4 : 1) * products + loads + unpacking + promoting + copies + 24;
  const perBlock = {
    issue: warps * issued,
    shared: warps * loads * WARP_ACCESS + tokens * K * wide,
    operations: 2 * channels * tokens * K,
  };
  // Sums go to shared memory and come back, four at a time.
  const results = channels * tokens;
  const end = { issue: (results / 32) * 6, shared: results * 8 };
  const share = WARP_SHARE * olderShare(launched);
  const rate = speed.perCycle[tensor(params)] ?? 1;
  const stageCycles = perBlock.operations / share / rate;
  const resident = residentOf(launched);
  const endCycles = end.issue / (speed.perCycle.issue ?? 1) + end.shared / (speed.perCycle.shared ?? 1);
  return {
    ...movedBy(product(params, rows, [channels, tokens], raster), launched, resident),
    each: {
      issue: blocks * perBlock.issue + end.issue,
      shared: blocks * perBlock.shared + end.shared,
      [tensor(params)]: (blocks * perBlock.operations) / share,
    },
    resident,
    serial: alone(resident, { end: endCycles, steps: blocks, stages, stageCycles }),
  };
}

/**
 * Cycles of a consumer from its last product to its last store of 128 channels by 128 tokens, by an in-order model of the machine
 * code: heads wait for chains of shuffles, gates for rows of residuals.
 */
const HOPPER_END = { heads: 16_000, gated: 9400, activated: 7700, plain: 5000 } as const;

function endOf({ heads, gated, activation }: TernaryGemmParams): number {
  if (heads !== undefined) return HOPPER_END.heads;
  if (gated) return HOPPER_END.gated;
  return activation === "none" ? HOPPER_END.plain : HOPPER_END.activated;
}

/**
 * Bytes that a multiprocessor sends to others of its cluster in a cycle, and cycles until a barrier there knows of it: measured on H100 by
 * Luo et al. 2024 (arXiv:2402.13499), 3.3 TB/s of pairs and 2.7 of fours, 180 cycles each way.
 */
const CLUSTER_PER_CYCLE = 14;
const CLUSTER_CYCLES = 400;
/** Multiprocessors that are neighbours: those of a cluster come from one such group, which has 16 or 18. */
const NEIGHBOURS = 16;

/** Clusters that run at a time where a multiprocessor has one block. */
function clustersOf(cluster: number, units: number): number {
  const inGroups = cluster <= 2 ? units : Math.floor(units / NEIGHBOURS) * NEIGHBOURS;
  return Math.max(1, Math.floor(inGroups / cluster));
}

/** Cycles that blocks take that share the inputs of a tile for sending each other its sums. */
function exchangeOf(split: number, tileBytes: number): number {
  if (split === 1) return 0;
  return (tileBytes * (split - 1)) / split / CLUSTER_PER_CYCLE + CLUSTER_CYCLES;
}

/**
 * Persistent blocks of warpgroups. Of two consumers one multiplies while the other one stores, as far as the ring of stages lets
 * it run ahead; two blocks of a multiprocessor do the same for each other. Tiles may be cut into halves of 64 tokens, so
 * that these are what is counted. Blocks that share the inputs of a tile multiply and finish a part of it each, and send the others
 * the sums of theirs. Null for blocks that load rows for each other: what waiting for each other's stages costs nobody has measured, and
 * what it saves is the last cache's, whose rate is assumed. Tuning tries them.
 */
export function hopperCounts(
  params: TernaryGemmParams,
  config: HopperConfig,
  launched: Launched,
): Counts | null {
  const { consumers, tokens, stages, raster, blocks: resident, split, multicast } = config;
  if (multicast > 1) return null;
  const { speed, rows } = launched;
  const wide = params.activations === "i8" ? 1 : 2;
  const channels = 128 * consumers;
  const halves = tokens / 64;
  const whole = rows > 64 ? halves : 1;
  const blocks = Math.ceil(stagesOf(params) / split);
  const operations = (2 * channels * 64 * K) / WARPGROUP_SHARE;
  const rate = speed.perCycle[tensor(params)] ?? 1;
  // Of 128 inputs of a tile.
  const stageCycles = (operations * whole) / rate;
  const main = blocks * stageCycles;
  const end = (endOf(params) * whole) / 2 / split + exchangeOf(split, channels * 64 * whole * 4);
  const ahead =
    resident > 1 ? main : consumers > 1 ? Math.min(main, Math.floor(stages / 2) * stageCycles) : 0;
  const exposed = Math.max(0, end - ahead);
  // Converting sums, at half rate, and promoting them bound scales of groups.
  const promoted = params.group === undefined ? 0 : Math.min(params.group, params.k);
  const issued = 4 * consumers * (112 + (promoted === 0 ? 0 : (417 * K) / promoted)) * wide;
  const waits = blocks * Math.max(0, 1000 / (stages - 1) - resident * stageCycles);
  const tiles = Math.ceil(params.n / channels) * Math.ceil(rows / 64);
  // No more than one of another cluster's tiles is left to the multiprocessors that are in no cluster.
  const rounds = Math.ceil(tiles / clustersOf(split, speed.units));
  const workgroups = split === 1 ? tiles : Math.max(split * tiles, (rounds - 1) * speed.units + 1);
  return {
    ...movedBy(product(params, rows, [channels, tokens], raster), launched, resident / split),
    workgroups,
    each: { [tensor(params)]: blocks * operations, issue: (blocks * issued) / 2 },
    resident,
    // Of a wave of halves: a tile's, shared out.
    serial: (exposed + waits) / whole + 300,
  };
}
