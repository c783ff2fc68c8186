import type { Constant } from "../../ir/constant/constant.js";
import { isNarrowFloat, type NarrowFloat } from "../../ir/constant/float8.js";
import { byteLength } from "../../ir/dtype.js";
import { countOf } from "../../ir/tensor.js";
import type { RowType } from "./kernel.js";

/**
 * A matrix [rows, width] as it lies in a file: element (r, c) is `rowStride`·r + `columnStride`·c elements behind
 * `offset`, and one of the strides is 1. Exporters store the weights of a MatMul as [in, out], so that the rows of a
 * linear's [out, in] are columns of the file.
 */
export interface StoredMatrix {
  readonly file: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** What the packer takes them as. */
  readonly type: RowType;
  /** The 8-bit floats that are stored, which become `type` once they are read; null where those are stored. */
  readonly narrow: NarrowFloat | null;
  readonly rows: number;
  readonly width: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** Bytes that `count` elements of a matrix take in the file. */
export function storedBytesOf({ type, narrow }: StoredMatrix, count: number): number {
  return byteLength(narrow ?? type, count);
}

/** Where a constant's values lie in a file, behind changes of layout and casts that keep them; undefined if nowhere. */
export function storedMatrix(constant: Constant): StoredMatrix | undefined {
  const { source, shape, dtype } = constant;
  const [rows = 1, ...rest] = shape;
  const width = countOf(rest);
  switch (source.kind) {
    case "file": {
      const narrow = isNarrowFloat(dtype) ? dtype : null;
      const type = narrow === null ? dtype : "f16";
      if (type !== "bf16" && type !== "f16" && type !== "f32") return undefined;
      if (source.length < byteLength(dtype, rows * width)) return undefined;
      const { file, offset } = source;
      return { file, offset, type, narrow, rows, width, rowStride: width, columnStride: 1 };
    }
    case "cast": {
      const of = storedMatrix(source.of);
      return of !== undefined && (dtype === "f32" || dtype === of.type) ? of : undefined;
    }
    case "reshape": {
      const of = storedMatrix(source.of);
      if (of === undefined || of.rowStride !== of.width || of.columnStride !== 1) return undefined;
      return { ...of, rows, width, rowStride: width };
    }
    case "transpose": {
      const of = source.of.shape.length === 2 ? storedMatrix(source.of) : undefined;
      if (of === undefined) return undefined;
      return { ...of, rows, width, rowStride: of.columnStride, columnStride: of.rowStride };
    }
    case "rows": {
      const of = storedMatrix(source.of);
      if (of === undefined) return undefined;
      return { ...of, rows, offset: of.offset + storedBytesOf(of, source.start * of.rowStride) };
    }
    default:
      return undefined;
  }
}
