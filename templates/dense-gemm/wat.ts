import { roundUp } from "../../ir/families/contract/arguments.js";
import type { KernelSignature } from "../../ir/families/contract/family.js";
import { narrowRow, PER_WORD } from "../../ir/families/contract/narrow.js";
import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { type DenseGemmParams, denseGemm } from "../../ir/families/dense-gemm.js";
import type { Counts, Launched } from "../choice/cost.js";
import { kernelTemplates } from "../kernel-templates.js";
import type { TemplateValues } from "../template-values.js";
import { inRegisters, sumOf, times, work } from "../wat/counts.js";
import { gemmValues } from "../wat/epilogue.js";
import { EARLY, gemmCounts, storing } from "../wat/gemm-counts.js";

const PANEL = DENSE_PANEL.wat;
/** Results from which on there are 64 tiles of 128 rows and 64 columns. */
const TALL_RESULTS = 64 * 128 * 64;

export const denseGemmWat = kernelTemplates(denseGemm.forms.wat, {
  configs({ params: { n }, rows }) {
    // Unrolled further, V8 runs out of registers.
    const tile = { tileN: Math.min(roundUp(n, PANEL), 64), rows: 4, unroll: 1 } as const;
    // Many rows for a panel that is in a cache, and enough tiles for the threads.
    const isTall = (rows[0] ?? 0) * n >= TALL_RESULTS;
    return [
      { variant: "float", ...tile, tileM: isTall ? 128 : 32, columnsOutside: isTall },
      { variant: "narrow", ...tile, tileM: 64 },
    ];
  },
  values: {
    float: (params, config, { signature }) => ({
      ...values(params, config, signature),
      columnsOutside: config.columnsOutside,
    }),
    narrow: (params, config, { signature }) => {
      const held = params.held ?? "bf16";
      const { words } = narrowRow({ k: params.k, held });
      const columns = roundUp(params.n, PANEL);
      return { ...values(params, config, signature), held, perWord: PER_WORD[held], words, columns };
    },
  },
  cost: { float: floatCounts },
});

function floatCounts(
  params: DenseGemmParams,
  { rows, unroll, columnsOutside }: Tile & { readonly columnsOutside: boolean },
  launched: Launched,
): Counts {
  const { n, k } = params;
  const vectors = PANEL / 4;
  const block = (count: number) => {
    // What `wat/gemm-step.wat.hbs` does for one k, and a share of the loop around it.
    const step = work({
      loads: vectors + count,
      f32: 2 * vectors * count,
      other: (count + 2) / unroll,
    });
    // Sums, weights, an input and a product.
    const live = vectors * count + vectors + 2 + EARLY * (unroll - 1);
    return sumOf([
      times(inRegisters(step, live), k),
      work({ other: 12 + 4 * count }),
      storing(vectors * count, params),
    ]);
  };
  return gemmCounts(
    {
      ...{ n, block, columnsOutside, channels: PANEL, rowGroups: [rows, 1] },
      ...{ rowBytes: 4 * k, channelBytes: 4 * k, resultBytes: 4 * n },
    },
    launched,
  );
}

interface Tile {
  readonly tileN: number;
  readonly tileM: number;
  readonly rows: number;
  readonly unroll: number;
}

function values(
  params: DenseGemmParams,
  { tileN, tileM, rows, unroll }: Tile,
  signature: KernelSignature,
): TemplateValues {
  return {
    ...gemmValues(signature, params),
    k: params.k,
    kWhole: params.k - (params.k % unroll),
    unroll,
    relaxed: false,
    tileN,
    tileM,
    tilesN: Math.ceil(params.n / tileN),
    blockN: PANEL,
    vectors: PANEL / 4,
    rowGroups: [rows, 1],
  };
}
