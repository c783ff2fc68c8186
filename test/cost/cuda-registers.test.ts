/** Registers that tiles of warps take with scales of groups: those that nvcc spills are no candidates, and others are left. */
import { describe, expect, it } from "vitest";
import { GROUP_SIZES } from "../../ir/ternary/groups.js";
import { deviceKinds } from "../../targets/device-kind.js";
import { targetByName } from "../../targets/index.js";
import { consider } from "../../templates/choice/consider.js";
import { TEMPLATES } from "../../templates/families.js";
import { defineKernel } from "../../templates/index.js";

const linear = { n: 3072, k: 3072, activation: "none", bias: true, gated: false } as const;

/** Warps along channels and tokens, 16 channels and 16 tokens of each, and blocks of a multiprocessor. */
type Tile = readonly [warps: readonly [number, number], groups: readonly [number, number], blocks: number];

function faultOf(name: string, activations: "i8" | "bf16", group: 32 | 64, tile: Tile) {
  const [[warpsC, warpsT], [groupsC, groupsT], blocks] = tile;
  const variant = activations === "i8" ? "int8-mma" : "bf16-mma";
  const config = { variant, warpsC, warpsT, groupsC, groupsT, stages: 3, raster: 8, blocks };
  const device = deviceKinds(targetByName(name))[0] ?? expect.fail();
  const params = { ...linear, activations, group };
  const problem = { family: "ternary-gemm", params, rows: [4608], device };
  return consider(problem, TEMPLATES["ternary-gemm"].cuda, config).rejected;
}

const WIDE = [4, 2] as const;
const SQUARE = [2, 2] as const;

describe.each(["a100", "rtx-4090", "b200", "rtx-5090"])("tiles of warps on %s", (name) => {
  // The first of each was seen to spill some bytes with nvcc 13.0 for sm_80, sm_100a or sm_120a, the second was not.
  it.each<["i8" | "bf16", 32 | 64, Tile, Tile]>([
    ["i8", 32, [WIDE, [2, 4], 1], [WIDE, [2, 2], 1]],
    ["i8", 32, [WIDE, [4, 2], 1], [WIDE, [4, 1], 1]],
    ["i8", 32, [SQUARE, [2, 2], 3], [WIDE, [2, 1], 2]],
    ["i8", 32, [SQUARE, [4, 1], 3], [WIDE, [1, 2], 2]],
    ["i8", 32, [WIDE, [2, 2], 2], [WIDE, [1, 1], 3]],
    ["i8", 64, [WIDE, [2, 2], 2], [SQUARE, [2, 2], 3]],
    ["i8", 64, [SQUARE, [2, 2], 4], [WIDE, [2, 4], 1]],
    ["bf16", 32, [WIDE, [2, 2], 2], [SQUARE, [2, 2], 3]],
    ["bf16", 32, [WIDE, [4, 2], 1], [WIDE, [2, 4], 1]],
  ])("have registers for %s rows and groups of %i inputs", (activations, group, spilling, fitting) => {
    expect(faultOf(name, activations, group, spilling)).toMatch(/registers a thread/);
    expect(faultOf(name, activations, group, fitting)).toBeNull();
  });

  it.each(["i8", "bf16"] as const)("are those of tensor cores for groups of %s rows", (activations) => {
    for (const group of GROUP_SIZES) {
      const { kernel } = defineKernel("ternary-gemm", { ...linear, activations, group }, targetByName(name));
      expect(kernel.config.variant, `${group}`).toMatch(/-mma$/);
    }
  });
});
