import { roundUp } from "../../ir/families/contract/arguments.js";
import { type DenseGemmParams, type DenseLayout, denseGemmSignature } from "../../ir/families/dense-gemm.js";
import type { Target } from "../../targets/target.js";
import { type CudaKernel, defineCuda } from "../cuda/define.js";
import { cudaType } from "../cuda/header.js";
import type { KernelDefinition } from "../family.js";

/** Columns of a panel of the weight layout. */
export const DENSE_PANEL = 64;

/** threadsX·4·groupsN columns and threadsY·4·groupsM rows. */
interface Tile {
  readonly threadsX: number;
  readonly threadsY: number;
  readonly groupsM: number;
  readonly groupsN: number;
  /** Blocks that an SM is to hold, which gives a thread its share of the registers. */
  readonly blocks: number;
}
/** 64 rows x 128, 8 x 8 outputs of a thread: 16 multiply-adds per vector from shared memory; three blocks fit an SM. */
const WIDE: Tile = { threadsX: 16, threadsY: 8, groupsM: 2, groupsN: 2, blocks: 3 };
/** 32 rows x 64: one panel of columns is all there is, and more blocks of fewer rows fill the device. */
const NARROW: Tile = { threadsX: 16, threadsY: 8, groupsM: 1, groupsN: 1, blocks: 8 };

export function denseGemmCuda(params: DenseGemmParams, target: Target): KernelDefinition {
  const { n, k, activation, bias, gated } = params;
  const { threadsX, threadsY, groupsM, groupsN, blocks } = n <= DENSE_PANEL ? NARROW : WIDE;
  const kernel: CudaKernel = {
    requires: "sm_70",
    template: "dense-gemm/tiled.cu.hbs",
    values: {
      threadsX,
      groupsM,
      groupsN,
      blocks,
      n,
      k,
      xType: cudaType(params.x ?? "f32"),
      outType: cudaType(params.out ?? "f32"),
      activation: `activate_${activation.replaceAll("-", "_")}`,
      bias,
      gated,
    },
    threads: threadsX * threadsY,
    tile: [threadsX * 4 * groupsN, threadsY * 4 * groupsM, 1],
  };
  return defineCuda("dense-gemm", params, denseGemmSignature(params), target, [kernel]);
}

/** f32 [column / 64][k][column % 64], columns padded with zeros to whole panels. */
export function denseWeightWordsCuda({ n, k }: DenseLayout): number {
  return k * roundUp(n, DENSE_PANEL);
}
