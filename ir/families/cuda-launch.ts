import type { CudaLaunch, CudaTensorMap, Kernel } from "../program/program.js";
import { STORED_CODES } from "../ternary/storage.js";
import { roundUp } from "./contract/arguments.js";
import {
  modulationPlan,
  normalizationPlan,
  quantizationPlan,
  type RowPlan,
  tileRowsOf,
} from "./cuda-rows.js";
import { Params } from "./params.js";

/** How a CUDA kernel is launched: threads of a block, and what its record says besides. */
export interface CudaShape extends CudaLaunch {
  readonly threads: number;
}

const block = (threads: number, tile: CudaLaunch["tile"], more: Partial<CudaLaunch> = {}): CudaShape => ({
  threads,
  sharedBytes: 0,
  tile,
  persistent: false,
  tensorMaps: [],
  ...more,
});

/** Blocks that loop over rows, so many at a time. */
const rows = (threads: number, count: number): CudaShape =>
  block(threads, [1, count, 1], { persistent: true });
const planned = ({ threads, group }: RowPlan): CudaShape => rows(threads, threads / group);

/**
 * How a kernel is launched, by its family, its parameters and the architecture it needs: what its code is made for.
 * Undefined where there is no such kernel.
 */
export function cudaLaunchOf(kernel: Kernel): CudaShape | undefined {
  const p = new Params(kernel);
  const [requires = ""] = kernel.features;
  switch (kernel.family) {
    case "ternary-gemm":
      return ternaryGemm(p, requires);
    case "attention":
      return attention(p, requires);
    case "dense-gemm":
      return block(128, p.size("n") <= 64 ? [64, 32, 1] : [128, 64, 1]);
    case "elementwise":
      return block(256, [256 * (p.has("bf16") ? 8 : 4), 1, 1]);
    case "matmul":
      return block(256, [64, 64, 1]);
    case "unpack-dense":
      return block(256, [16, 1, 1]);
    case "unpack-trits":
      // A warp for each block of 128 k that 128 stored bytes hold.
      return block(32 * STORED_CODES[p.word("storage", "trits", "2bit")].perByte, [16, 1, 1]);
    case "adaln":
    case "adaln-quantize":
      return planned(modulationPlan(p.size("c")));
    case "layer-norm":
      return planned(normalizationPlan(p.size("c")));
    case "quantize-rows":
      return planned(quantizationPlan(p.size("c"), p.word("x", "f32", "bf16")));
    case "qk-norm-rope": {
      const { threads, group } = normalizationPlan(p.size("headDim"), p.word("x", "f32", "bf16"));
      return rows(threads, Math.max(1, Math.floor(threads / group / p.size("heads"))));
    }
    case "gather":
      return rows(256, tileRowsOf(p.size("c"), 256));
    case "rope-table":
      return rows(128, tileRowsOf(2 * p.sizes("axesDims").reduce((sum, dim) => sum + dim, 0), 128));
    case "timestep-embedding":
      return rows(128, 1);
    case "reduce":
    case "softmax":
      return rows(256, 1);
    default:
      return undefined;
  }
}

function ternaryGemm(p: Params, requires: string): CudaShape | undefined {
  const activations = p.word("activations", "i8", "bf16", "f32");
  const integer = activations === "i8";
  switch (requires) {
    case "sm_90a": {
      const bytes = integer ? 1 : 2;
      const columns = integer ? roundUp(p.size("k"), 16) : p.size("k");
      // Staged sums and factors of two consumers; stages of 128 tokens by 128 k, weights and two barriers.
      const fixed = 2 * 34_816 + 2 * 128 * 16;
      const stage = 128 * 128 * bytes + (256 * 128) / 4 + 16;
      return block(384, [256, 64, 1], {
        sharedBytes: fixed + Math.min(6, Math.floor((227 * 1024 - fixed) / stage)) * stage,
        persistent: true,
        tensorMaps: [{ arg: 0, columns, rows: "launch", box: [128 / bytes, 64], swizzle: "128B" }],
      });
    }
    // Stages of 128 bytes of each token's row, or staged sums.
    case "sm_80":
      return block(256, [128, 128, 1], { sharedBytes: Math.max(3 * 128 * 128, 64 * 132 * 4) });
    case "sm_75":
      return block(256, [128, 128, 1], { sharedBytes: Math.max(2 * 128 * 128, 32 * 132 * 4) });
    case "sm_70":
      return block(256, [128, 128, 1], { sharedBytes: integer ? 64 * 132 * 4 : 0 });
    default:
      return undefined;
  }
}

function attention(p: Params, requires: string): CudaShape | undefined {
  const headDim = p.size("headDim");
  const pitch = (columns: number) => (columns % 64 === 0 ? columns : columns + 8);
  /** Warps of 16-row tiles, and keys at a time. */
  const warps = (count: number, rowTiles: number, keys: number): CudaShape => {
    const tokens = 16 * rowTiles * count;
    return block(32 * count, [1, tokens, 1], { sharedBytes: (tokens + 2 * keys) * pitch(headDim) * 2 });
  };
  const int8 = p.flag("int8") && headDim % 32 === 0 && headDim <= 128;
  switch (requires) {
    case "sm_90a": {
      const columns = p.size("heads") * headDim;
      const map = (arg: number, of: CudaTensorMap["rows"], boxRows: number): CudaTensorMap => ({
        arg,
        columns,
        rows: of,
        box: [64, boxRows],
        swizzle: "128B",
      });
      return block(384, [1, 128, 1], {
        sharedBytes: (128 + 4 * 128) * headDim * 2,
        tensorMaps: [map(0, "launch", 64), map(1, 0, 128), map(2, 0, 128), map(3, "launch", 64)],
      });
    }
    case "sm_86":
      return warps(4, 2, 32);
    case "sm_80":
      if (int8) {
        const bytes = (2 * 32 * pitch(headDim) + (128 + 32) * pitch(headDim / 2)) * 2;
        return block(128, [1, 128, 1], { sharedBytes: bytes });
      }
      if (headDim > 128) return warps(4, 1, 32);
      return warps(4, 2, headDim > 96 && headDim % 64 !== 0 ? 32 : 64);
    case "sm_75":
      return warps(8, 1, 64);
    case "sm_70": {
      const chunk = Math.min(headDim, 128);
      const tokens = 16 * (headDim <= 128 ? 4 : headDim <= 256 ? 2 : 1);
      const row = 4 * ((chunk / 4) | 1);
      return block(256, [1, tokens, 1], { sharedBytes: ((tokens + 32) * row + tokens * 36) * 4 });
    }
    default:
      return undefined;
  }
}
