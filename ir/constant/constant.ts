import type { Dim } from "../dim.js";
import type { DType } from "../dtype.js";
import type { GroupSize } from "../ternary/groups.js";
import type { RoundedFormat } from "./blocks/encode.js";
import type { BlockFormat } from "./blocks/formats.js";

/**
 * A constant is *lazy*: a recipe for values, read in row ranges when a pass, the interpreter or the packer
 * asks. A row is one index of the first axis. `readRows` in `read.ts` evaluates recipes.
 */
export interface Constant {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly source: ConstantSource;
}

export type ConstantSource =
  /** Little-endian bytes in memory, densely packed (sub-byte types: low bits first). */
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  /** A byte range of a file. `file` is a path that the `ByteReader` in use understands. */
  | { readonly kind: "file"; readonly file: string; readonly offset: number; readonly length: number }
  /** Whole numbers that depend on symbols (a folded shape). dtype is i64; shape is [n] or []. */
  | { readonly kind: "dims"; readonly dims: readonly Dim[] }
  /** Every element is the same number. */
  | { readonly kind: "fill"; readonly value: number }
  /** Another constant of the same element count and row-major order. */
  | { readonly kind: "reshape"; readonly of: Constant }
  /** Float or integer conversion, rounding to nearest even. */
  | { readonly kind: "cast"; readonly of: Constant }
  /** [r, c] from [c, r]. */
  | { readonly kind: "transpose"; readonly of: Constant }
  /** [a, c, b, d] from [a, b, c, d]. */
  | { readonly kind: "swap"; readonly of: Constant }
  /** Constants of equal trailing shape, one after the other along axis 0. */
  | { readonly kind: "concat"; readonly of: readonly Constant[] }
  /** Rows `start` to `start + shape[0]` of another constant. */
  | { readonly kind: "rows"; readonly of: Constant; readonly start: number }
  /** Weight-only DequantizeLinear: (codes − zeroPoint)·scale, as in ONNX (per tensor, per axis, blocked). */
  | {
      readonly kind: "dequantize";
      readonly codes: Constant;
      readonly scale: Constant;
      readonly zeroPoint: Constant | null;
      readonly axis: number;
      /** 0: per tensor or per axis. */
      readonly blockSize: number;
    }
  /** Rows of quantized blocks, u8 [..., bytes of a row], as GGUF files have them; see `blocks/index.ts`. */
  | { readonly kind: "blocks"; readonly of: Constant; readonly format: BlockFormat }
  /** The nearest blocks of rows of floats, u8 [..., bytes of a row]: what `blocks` reads back. */
  | { readonly kind: "to-blocks"; readonly of: Constant; readonly format: RoundedFormat }
  /** scale·code + bias by groups of a row's inputs, in the type of the scales, as MLX has quantized matrices. */
  | {
      readonly kind: "affine";
      /** u8 [rows, bytes]: codes one after the other, low bits first. */
      readonly codes: Constant;
      /** Of a code, 1 to 8. */
      readonly bits: number;
      /** [rows, groups]. */
      readonly scales: Constant;
      readonly biases: Constant;
    }
  /** of + scale·(up · down): float rows [out, in] with the update of an adapter (LoRA); up [out, rank], down [rank, in]. */
  | {
      readonly kind: "low-rank";
      readonly of: Constant;
      readonly up: Constant;
      readonly down: Constant;
      readonly scale: number;
    }
  /** of + scale·delta, of equal shape. */
  | { readonly kind: "sum"; readonly of: Constant; readonly delta: Constant; readonly scale: number }
  /** of ⊙ by, of equal shape. */
  | { readonly kind: "product"; readonly of: Constant; readonly by: Constant }
  /** [a·c, b·d] from the matrices `left` [a, b] and `right` [c, d]: block (i, j) is left[i, j]·right. */
  | { readonly kind: "kronecker"; readonly left: Constant; readonly right: Constant }
  /** A matrix whose rows (axis 0) or columns (axis 1) get the norms in `norms`; one of zeros stays. */
  | { readonly kind: "renormalize"; readonly of: Constant; readonly norms: Constant; readonly axis: 0 | 1 }
  /** A matrix [out, n·b] whose columns are turned in groups of b: row·blocks[i]ᵀ for blocks [n, b, b]. */
  | { readonly kind: "rotate"; readonly of: Constant; readonly blocks: Constant }
  /** Codes in {-1, 0, 1} (dtype i8) of a [out, in] weight; every row, or group of its inputs, is found by itself. */
  | ({ readonly kind: "ternary-codes"; readonly of: Constant } & TernaryFitting)
  /** The scales that belong to the codes, of a float type: [out], or [out, groups] (`scalesShape`). */
  | ({ readonly kind: "ternary-scales"; readonly of: Constant } & TernaryFitting)
  /** Codes i8 [out, in] read back from the rows of five trits a byte, u8 [out, ceil(in/5)], of a bundle; see `ir/ternary/trits.ts`. */
  | { readonly kind: "trits"; readonly of: Constant }
  /** The same of 2-bit codes, u8 [out, ceil(in/4)]; see `ir/ternary/two-bit.ts`. */
  | { readonly kind: "two-bit"; readonly of: Constant };

/** The constants that a recipe is made of. */
export function operandsOf(source: ConstantSource): readonly Constant[] {
  switch (source.kind) {
    case "inline":
    case "file":
    case "dims":
    case "fill":
      return [];
    case "concat":
      return source.of;
    case "dequantize":
      return [source.codes, source.scale, ...(source.zeroPoint === null ? [] : [source.zeroPoint])];
    case "affine":
      return [source.codes, source.scales, source.biases];
    case "low-rank":
      return [source.of, source.up, source.down];
    case "sum":
      return [source.of, source.delta];
    case "product":
      return [source.of, source.by];
    case "kronecker":
      return [source.left, source.right];
    case "renormalize":
      return [source.of, source.norms];
    case "rotate":
      return [source.of, source.blocks];
    default:
      return [source.of];
  }
}

/** How a weight row becomes s·t; see `ir/ternary/ternarize.ts`. */
export type TernaryMethod = "exact" | "absmean";

/** What decides codes and scales of a weight. */
export interface TernaryFitting {
  readonly method: TernaryMethod;
  /** Inputs that share a scale; a row's all if absent. */
  readonly group?: GroupSize;
}

/** Bytes of a named file. Throws if the range is not in the file. */
export interface ByteReader {
  read(file: string, offset: number, length: number): Uint8Array;
}
