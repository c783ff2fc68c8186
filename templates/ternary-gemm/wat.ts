import { paddedK, roundUp } from "../../ir/families/contract/arguments.js";
import {
  type TernaryGemmParams,
  type TernaryLayout,
  ternaryGemmSignature,
} from "../../ir/families/ternary-gemm.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { defineWat } from "../wat/define.js";
import { gemmValues } from "../wat/epilogue.js";

/** Channels of a block in the int8 layout and in the f32 layout. */
const INT8_BLOCK = 8;
const FLOAT_BLOCK = 4;

/** Channels and k that the f32 kernel decodes at a time: 8 KiB, which with the rows fits a first-level cache. */
const FLOAT_PANEL = 8;
const FLOAT_K_BLOCK = 256;

/** Words of the device layout: 2 bits a code, whole blocks of channels, k padded to 16. */
export function ternaryWeightWordsWat({ n, k, activations }: TernaryLayout): number {
  const block = activations === "i8" ? INT8_BLOCK : FLOAT_BLOCK;
  return (roundUp(n, block) * paddedK(k)) / 16;
}

/** Tile sizes: enough tiles for the threads where the matrix is small, rows that stay in the first-level cache. */
function tiles(n: number, block: number): { readonly tileN: number; readonly tileM: number } {
  return { tileN: Math.min(roundUp(n, block), 64), tileM: 32 };
}

export function ternaryGemmWat(params: TernaryGemmParams, target: Target): KernelDefinition {
  if (params.activations === "i8") return int8(params, target);
  return float(params, target);
}

function int8(params: TernaryGemmParams, target: Target): KernelDefinition {
  const signature = ternaryGemmSignature(params);
  const { tileN, tileM } = tiles(params.n, INT8_BLOCK);
  const values = {
    ...gemmValues(signature, params),
    kPad: paddedK(params.k),
    tileN,
    tileM,
    tilesN: Math.ceil(params.n / tileN),
    blockN: INT8_BLOCK,
  };
  const fallback = defineWat("ternary-gemm", params, signature, {
    template: "ternary-gemm/int8.wat.hbs",
    values: { ...values, rowGroups: [2, 1] },
    tile: [tileN, tileM, 1],
  });
  if (!target.features.includes("relaxed-simd")) return fallback;
  return defineWat("ternary-gemm", params, signature, {
    template: "ternary-gemm/int8-relaxed.wat.hbs",
    values: { ...values, rowGroups: [4, 1] },
    tile: [tileN, tileM, 1],
    features: ["relaxed-simd"],
    fallback,
  });
}

function float(params: TernaryGemmParams, target: Target): KernelDefinition {
  const signature = ternaryGemmSignature(params);
  const { n, k } = params;
  const tileN = Math.min(roundUp(n, FLOAT_PANEL), 64);
  // Enough rows that decoding a panel costs little next to multiplying with it.
  const tileM = 64;
  const kBlock = Math.min(FLOAT_K_BLOCK, paddedK(k));
  const values = {
    ...gemmValues(signature, params),
    k,
    kPad: paddedK(k),
    tileN,
    tileM,
    tilesN: Math.ceil(n / tileN),
    blockN: FLOAT_PANEL,
    vectors: FLOAT_PANEL / 4,
    rowGroups: [6, 4, 2, 1],
    panelRows: 4,
    kBlock,
    panelBytes: 4 * FLOAT_PANEL * kBlock,
    unroll: 2,
  };
  const template = "ternary-gemm/float.wat.hbs";
  const tile = [tileN, tileM, 1] as const;
  const fallback = defineWat("ternary-gemm", params, signature, {
    template,
    values: { ...values, relaxed: false },
    tile,
  });
  if (!target.features.includes("relaxed-simd")) return fallback;
  return defineWat("ternary-gemm", params, signature, {
    template,
    values: { ...values, relaxed: true },
    tile,
    features: ["relaxed-simd"],
    fallback,
  });
}
