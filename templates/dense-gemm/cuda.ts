import { PER_WORD } from "../../ir/families/contract/narrow.js";
import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { type DenseGemmParams, denseGemm } from "../../ir/families/dense-gemm.js";
import type { Launched } from "../choice/cost.js";
import { floatCounts } from "../cuda/float-counts.js";
import { cudaType } from "../cuda/header.js";
import { tf32Counts } from "../cuda/tf32-counts.js";
import { kernelTemplates } from "../kernel-templates.js";
import { takesTf32, tf32Config } from "./tf32-config.js";

const tiled = { variant: "tiled", threadsX: 16, threadsY: 8, stage: 16 } as const;
/** 64 rows x 128, 8 x 8 outputs of a thread: 16 multiply-adds per vector from shared memory; three blocks fit an SM. */
const WIDE = { ...tiled, groupsM: 2, groupsN: 2, blocks: 3 } as const;
/** 32 rows x 64: one panel of columns is all there is, and more blocks of fewer rows fill the device. */
const NARROW = { ...tiled, groupsM: 1, groupsN: 1, blocks: 8 } as const;
/** The same where a thread takes more registers. */
const NARROW_LESS = { ...NARROW, blocks: 6 } as const;
/** Rows up to which threads share k: tiles of tensor cores would be empty, and the weights are read once anyway. */
const FEW = 4;

/** Weights in a word. */
const PER_WORD_OF = { ...PER_WORD, f32: 1 } as const;

export const denseGemmCuda = kernelTemplates(denseGemm.forms.cuda, {
  configs({ params: { n, products }, rows: [most = Infinity] }) {
    const plain = n <= DENSE_PANEL.cuda ? [NARROW, NARROW_LESS] : [WIDE];
    return products !== "tf32" || most <= FEW ? plain : [tf32Config(n, most), ...plain];
  },
  values: {
    tf32: ({ n, k, activation, bias, gated, x, out, held }, { warpsN, groupsM, groupsN, stage, blocks }) => ({
      ...{ warpsN, groupsM, groupsN, stage, blocks, n, k, bias, gated },
      xType: cudaType(x ?? "f32"),
      outType: cudaType(out ?? "f32"),
      activation: `activate_${activation.replaceAll("-", "_")}`,
      held: held ?? "f32",
      perWord: PER_WORD[held ?? "bf16"],
    }),
    tiled: (
      { n, k, activation, bias, gated, x, out, held },
      { threadsX, groupsM, groupsN, stage, blocks },
    ) => ({
      threadsX,
      groupsM,
      groupsN,
      stage,
      blocks,
      n,
      k,
      xType: cudaType(x ?? "f32"),
      outType: cudaType(out ?? "f32"),
      activation: `activate_${activation.replaceAll("-", "_")}`,
      bias,
      gated,
      held: held ?? "f32",
      perWord: PER_WORD[held ?? "bf16"],
    }),
  },
  cost: {
    tf32: (params, config, launched) =>
      tf32Counts(productOf(params, launched), params.k, config, launched, unpacking(params)),
    tiled: (params, config, launched) =>
      takesTf32(params, launched.device) && launched.rows > FEW
        ? null
        : floatCounts(productOf(params, launched), params.k, config, launched, unpacking(params)),
  },
});

/** Bytes of rows, channels and results. */
function productOf({ n, k, x = "f32", out = "f32", held, gated }: DenseGemmParams, { rows }: Launched) {
  return {
    ...{ rows, n },
    rowBytes: k * (x === "f32" ? 4 : 2),
    channelBytes: (4 * k) / PER_WORD_OF[held ?? "f32"],
    resultBytes: (out === "f32" ? 4 : 2) + (gated ? 4 : 0),
  };
}

/** Instructions of a thread for each element of weights that it unpacks. */
function unpacking({ held }: DenseGemmParams): number {
  return held === undefined ? 0 : 2;
}
