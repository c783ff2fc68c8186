import { TritcError } from "../../ir/errors.js";
import { type AttentionParams, attentionSignature } from "../../ir/families/attention.js";
import type { CudaTensorMap } from "../../ir/program/program.js";
import type { Target } from "../../targets/target.js";
import { type CudaKernel, defineCuda } from "../cuda/define.js";
import { cudaConstant } from "../elementwise/cuda-expression.js";
import type { KernelDefinition } from "../family.js";

/** Output channels of a row stay in registers: what 16 threads of the SIMT kernel have room for. */
const MAX_HEAD_DIM = 2048;

export function attentionCuda(params: AttentionParams, target: Target): KernelDefinition {
  const { headDim } = params;
  if (headDim % 4 !== 0 || headDim > MAX_HEAD_DIM) {
    throw new TritcError({
      code: "TRITC_E_KERNEL",
      message: "the attention kernel does not take heads of this size",
      place: "attention",
      expected: `a multiple of 4 channels, at most ${MAX_HEAD_DIM}`,
      found: `${headDim} channels`,
      remedy: "compile for another target",
    });
  }
  const variants = [
    ...hopperKernels(params),
    ...int8Kernels(params),
    ...mmaKernels(params),
    simtKernel(params),
  ];
  return defineCuda("attention", params, attentionSignature(params), target, variants);
}

/** f32 arithmetic, for every architecture and storage. */
function simtKernel({ headDim, scale }: AttentionParams): CudaKernel {
  const chunk = Math.min(headDim, 128);
  const rowBlock = headDim <= 128 ? 4 : headDim <= 256 ? 2 : 1;
  const keyBlock = 2;
  const [rows, keys] = [16 * rowBlock, 16 * keyBlock];
  const pitch = 4 * ((chunk / 4) | 1);
  return {
    requires: "sm_70",
    template: "attention/simt.cu.hbs",
    values: { headDim, chunk, rowBlock, keyBlock, scale: cudaConstant(scale, "f32") },
    threads: 256,
    sharedBytes: ((rows + keys) * pitch + rows * (keys + 4)) * 4,
    tile: [1, rows, 1],
  };
}

/** Warpgroup matrix instructions and tensor maps. */
function hopperKernels({ heads, headDim, scale, storage }: AttentionParams): readonly CudaKernel[] {
  if (storage !== "bf16" || headDim !== 128 || !(scale > 0)) return [];
  const [rows, keys, stages] = [128, 128, 2];
  const columns = heads * headDim;
  const map = (arg: number, ofRows: CudaTensorMap["rows"], boxRows: number): CudaTensorMap => ({
    arg,
    columns,
    rows: ofRows,
    box: [64, boxRows],
    swizzle: "128B",
  });
  return [
    {
      requires: "sm_90a",
      template: "attention/hopper.cu.hbs",
      values: { heads, scale: cudaConstant(scale, "f32") },
      threads: 384,
      sharedBytes: (rows + 2 * stages * keys) * headDim * 2,
      tile: [1, rows, 1],
      tensorMaps: [map(0, "launch", 64), map(1, 0, keys), map(2, 0, keys), map(3, "launch", 64)],
    },
  ];
}

/** Matrix instructions of warps, the most demanding kernel first. */
function mmaKernels(params: AttentionParams): readonly CudaKernel[] {
  const { headDim, scale, storage } = params;
  if (storage !== "bf16" || headDim % 16 !== 0 || headDim > 256 || !(scale > 0)) return [];
  if (headDim > 128) return [mmaKernel(params, "sm_80", { warps: 4, rowTiles: 1, keys: 32 })];
  const turing = mmaKernel(params, "sm_75", { warps: 8, rowTiles: 1, keys: 64 });
  // With 32 keys two blocks fit into the 99 KB of shared memory that sm_86, sm_89 and sm_120 have.
  const narrow = mmaKernel(params, "sm_86", { warps: 4, rowTiles: 2, keys: 32 });
  // Padded rows take more registers for addresses.
  if (headDim > 96 && headDim % 64 !== 0) return [{ ...narrow, requires: "sm_80" }, turing];
  return [narrow, mmaKernel(params, "sm_80", { warps: 4, rowTiles: 2, keys: 64 }), turing];
}

/** Scores from int8; the warpgroup kernel, which multiplies bf16 faster, is left alone. */
function int8Kernels(params: AttentionParams): readonly CudaKernel[] {
  const { headDim, scale, storage, int8 = false } = params;
  if (!int8 || storage !== "bf16" || headDim % 32 !== 0 || headDim > 128 || !(scale > 0)) return [];
  const [rows, keys] = [128, 32];
  return [
    {
      requires: "sm_80",
      template: "attention/int8.cu.hbs",
      values: { headDim, rowTiles: 2, keys, scale: cudaConstant(scale, "f32") },
      threads: 128,
      sharedBytes: (2 * keys * pitchOf(headDim) + (rows + keys) * pitchOf(headDim / 2)) * 2,
      tile: [1, rows, 1],
    },
  ];
}

interface MmaTile {
  readonly warps: number;
  /** 16-row tiles of a warp. */
  readonly rowTiles: number;
  readonly keys: number;
}

function mmaKernel(
  { headDim, scale }: AttentionParams,
  requires: CudaKernel["requires"],
  { warps, rowTiles, keys }: MmaTile,
): CudaKernel {
  const rows = warps * 16 * rowTiles;
  const arithmetic = requires === "sm_75" ? "f16" : "bf16";
  return {
    requires,
    template: "attention/mma.cu.hbs",
    values: { headDim, rowTiles, keys, arithmetic, scale: cudaConstant(scale, "f32") },
    threads: 32 * warps,
    sharedBytes: (rows + 2 * keys) * pitchOf(headDim) * 2,
    tile: [1, rows, 1],
  };
}

/** `TileShape` of cuda/attention-tile.cuh: elements of 16 bits from row to row of a tile. */
function pitchOf(columns: number): number {
  return columns % 64 === 0 ? columns : columns + 8;
}
