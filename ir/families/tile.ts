import type { Kernel } from "../program/program.js";
import { roundUp } from "./contract/arguments.js";
import { languageOf } from "./contract/language.js";
import { cudaLaunchOf } from "./cuda-launch.js";
import { Params } from "./params.js";

export type Tile = readonly [x: number, y: number, z: number];

/**
 * Columns (or heads, or elements), rows and batch entries that one tile of a kernel covers: its code steps by these, so
 * a launch's grid has to. Undefined for a kernel of a family, or a variant of one, that does not exist.
 */
export function tileOf(kernel: Kernel): Tile | undefined {
  switch (languageOf(kernel)) {
    case "wat":
      return watTile(kernel.family, new Params(kernel));
    case "wgsl":
      return wgslTile(kernel.family, new Params(kernel));
    case "cuda":
      return cudaLaunchOf(kernel)?.tile;
  }
}

function watTile(family: string, p: Params): Tile | undefined {
  switch (family) {
    case "ternary-gemm":
      return [Math.min(roundUp(p.size("n"), 8), 64), p.text("activations") === "i8" ? 32 : 64, 1];
    case "dense-gemm":
      return [Math.min(roundUp(p.size("n"), 8), 64), 32, 1];
    case "attention":
      return [1, 16, 1];
    case "adaln":
    case "adaln-quantize":
    case "quantize-rows":
    case "layer-norm":
    case "gather":
      return [1, watRows(p.size("c")), 1];
    case "qk-norm-rope":
      return [1, watRows(p.size("heads") * p.size("headDim")), 1];
    case "rope-table":
    case "reduce":
    case "softmax":
      return [1, 8, 1];
    case "timestep-embedding":
      return [1, 1, 1];
    case "matmul":
      return [32, 8, 1];
    case "elementwise":
      return [4096, 1, 1];
    case "unpack-trits":
      return [p.text("activations") === "i8" ? 8 : 4, 1, 1];
    case "unpack-dense":
      return [8, 1, 1];
    default:
      return undefined;
  }
}

/** Rows of a tile where a row of c channels is one unit of work: about 4096 elements, so that few rows still divide. */
export function watRows(c: number): number {
  return Math.max(1, Math.min(64, Math.floor(4096 / c)));
}

function wgslTile(family: string, p: Params): Tile | undefined {
  switch (family) {
    case "ternary-gemm":
    case "dense-gemm":
      return [64, 64, 1];
    case "attention": {
      const headDim = p.size("headDim");
      return [1, 8 * (headDim <= 128 ? 4 : headDim <= 256 ? 2 : 1), 1];
    }
    case "matmul":
      return [32, 32, 1];
    case "elementwise":
      return [256, 1, 1];
    case "unpack-trits":
    case "unpack-dense":
      return [64, 1, 1];
    case "adaln":
    case "adaln-quantize":
    case "quantize-rows":
    case "qk-norm-rope":
    case "layer-norm":
    case "rope-table":
    case "timestep-embedding":
    case "reduce":
    case "softmax":
    case "gather":
      return [1, 1, 1];
    default:
      return undefined;
  }
}
