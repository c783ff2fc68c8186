import type { ElementwiseParams } from "../elementwise.js";
import type { MatmulParams } from "../matmul.js";
import { form, threads } from "./form.js";

const map = form<ElementwiseParams>();

export const elementwiseForms = {
  wat: {
    elementwise: map({
      dimensions: { elements: [4096] },
      launch: (_, { elements }) => ({ tile: [elements, 1, 1] }),
    }),
  },
  wgsl: {
    strided: map({
      /** Elements of one invocation. */
      dimensions: { threads: [64], elements: [4] },
      launch: (_, config) => ({
        workgroup: threads(config.threads),
        tile: [config.threads * config.elements, 1, 1],
      }),
    }),
  },
  cuda: {
    strided: map({
      /** Elements of one thread. */
      dimensions: { threads: [256], vector: [4, 8] },
      needs: () => ["sm_70"],
      refuses: ({ bf16 = [] }, { vector }) =>
        bf16.length > 0 && vector < 8 ? "16 bytes of bf16 are 8 elements" : undefined,
      launch: (_, config) => ({
        workgroup: threads(config.threads),
        tile: [config.threads * config.vector, 1, 1],
      }),
    }),
  },
} as const;

const product = form<MatmulParams>();

export const matmulForms = {
  wat: {
    matmul: product({
      dimensions: { tileN: [32], tileM: [8] },
      launch: (_, { tileN, tileM }) => ({ tile: [tileN, tileM, 1] }),
    }),
  },
  wgsl: {
    /** 8 x 8 invocations of 4 x 4 outputs, 16 k at a time. */
    tiled: product({
      dimensions: {},
      launch: () => ({ workgroup: [8, 8, 1], tile: [32, 32, 1], sharedBytes: (32 * 17 + 16 * 33) * 4 }),
    }),
  },
  cuda: {
    /** 16 x 16 threads of 4 x 4 outputs. */
    tiled: product({
      dimensions: {},
      needs: () => ["sm_70"],
      launch: () => ({ workgroup: threads(256), tile: [64, 64, 1] }),
    }),
  },
} as const;
