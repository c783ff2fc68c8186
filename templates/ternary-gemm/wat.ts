import { paddedK, roundUp } from "../../ir/families/contract/arguments.js";
import { TERNARY_BLOCKS } from "../../ir/families/contract/weights.js";
import type { ConfigOf } from "../../ir/families/launch/form.js";
import type { TernaryGemmParams } from "../../ir/families/ternary-gemm.js";
import { ternaryGemm } from "../../ir/families/ternary-gemm.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import { type Given, kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { gemmValues } from "../wat/epilogue.js";
import {
  floatCounts,
  floatRowGroups,
  plainCounts,
  plainGroupCounts,
  relaxedCounts,
  relaxedGroupCounts,
} from "./wat-counts.js";

export const ternaryGemmWat = kernelTemplates(ternaryGemm.forms.wat, {
  configs({ params: { n, k, activations, group } }) {
    // Enough tiles for the threads where the matrix is small, rows that stay in the first-level cache.
    const tileN = Math.min(roundUp(n, 8), 64);
    if (activations === "i8") {
      if (group !== undefined) {
        return [
          { variant: "int8-relaxed-groups", tileN, tileM: 32, rows: 4 },
          { variant: "int8-groups", tileN, tileM: 32, rows: 2 },
        ];
      }
      return [
        { variant: "int8-relaxed", tileN, tileM: 32, rows: 4 },
        { variant: "int8", tileN, tileM: 32, rows: 2 },
      ];
    }
    const float = {
      tileN,
      // Enough rows that decoding a panel costs little next to multiplying with it.
      tileM: 64,
      // Channels and k that are decoded at a time: 8 KiB, which with the rows fits a first-level cache.
      panel: 8,
      rows: 6,
      panelRows: 4,
      unroll: 2,
    } as const;
    return [true, false].map((relaxed) =>
      group === undefined
        ? { variant: "float", ...float, kBlock: Math.min(256, paddedK(k)), relaxed }
        : { variant: "float-groups", ...float, kBlock: group, relaxed },
    );
  },
  values: {
    "int8-relaxed": int8,
    int8,
    float,
    "int8-relaxed-groups": (params, config, given) => ({
      ...int8(params, config, given),
      ...grouped(params),
    }),
    "int8-groups": (params, config, given) => ({ ...int8(params, config, given), ...grouped(params) }),
    "float-groups": (params, config, given) => ({
      ...float(params, config, given),
      groups: grouped(params).groups,
    }),
  },
  cost: {
    "int8-relaxed": relaxedCounts,
    int8: plainCounts,
    "int8-relaxed-groups": relaxedGroupCounts,
    "int8-groups": plainGroupCounts,
    float: floatCounts,
    "float-groups": floatCounts,
  },
});

/** Inputs of a group, and groups of a row. */
function grouped({ k, group }: TernaryGemmParams) {
  return { group: group ?? k, groups: groupsOf(k, group ?? null) };
}

function float(
  params: TernaryGemmParams,
  {
    tileN,
    tileM,
    panel,
    kBlock,
    rows,
    panelRows,
    unroll,
    relaxed,
  }: ConfigOf<typeof ternaryGemm.forms.wat.float.dimensions>,
  { signature }: Given,
): TemplateValues {
  return {
    ...gemmValues(signature, params),
    k: params.k,
    kPad: paddedK(params.k),
    tileN,
    tileM,
    tilesN: Math.ceil(params.n / tileN),
    blockN: panel,
    vectors: panel / 4,
    rowGroups: floatRowGroups(rows),
    panelRows,
    kBlock,
    panelBytes: 4 * panel * kBlock,
    unroll,
    relaxed,
  };
}

function int8(
  params: TernaryGemmParams,
  { tileN, tileM, rows }: { readonly tileN: number; readonly tileM: number; readonly rows: number },
  { signature }: Given,
): TemplateValues {
  return {
    ...gemmValues(signature, params),
    kPad: paddedK(params.k),
    tileN,
    tileM,
    tilesN: Math.ceil(params.n / tileN),
    blockN: TERNARY_BLOCKS.wat.i8.channels,
    rowGroups: [rows, 1],
  };
}
