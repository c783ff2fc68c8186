import type { Constant } from "../../ir/constant/constant.js";
import { isNarrowFloat, type NarrowFloat } from "../../ir/constant/float8.js";
import { byteLength } from "../../ir/dtype.js";
import { countOf } from "../../ir/tensor.js";
import { type CodedMatrix, codeBytes, codedMatrix } from "./coded-matrix.js";
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
  /** The codes that are stored in the place of values, and the first of their rows that is one of the matrix; its rows are rows. */
  readonly coded: { readonly matrix: CodedMatrix; readonly start: number } | null;
  readonly rows: number;
  readonly width: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** Bytes that `count` elements of a matrix take in the file. */
export function storedBytesOf({ type, narrow, coded }: StoredMatrix, count: number): number {
  if (coded !== null) return (count * codeBytes(coded.matrix)) / coded.matrix.width;
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
      return { file, offset, type, narrow, coded: null, rows, width, rowStride: width, columnStride: 1 };
    }
    case "affine":
    case "dequantize": {
      const matrix = codedMatrix(constant);
      if (matrix === undefined) return undefined;
      const { file, offset, form } = matrix;
      const coded = { matrix, start: 0 };
      return {
        file,
        offset,
        type: form.type,
        narrow: null,
        coded,
        rows,
        width,
        rowStride: width,
        columnStride: 1,
      };
    }
    case "cast": {
      const of = storedMatrix(source.of);
      return of !== undefined && (dtype === "f32" || dtype === of.type) ? of : undefined;
    }
    case "reshape": {
      const of = storedMatrix(source.of);
      if (of === undefined || of.coded !== null || of.rowStride !== of.width || of.columnStride !== 1)
        return undefined;
      return { ...of, rows, width, rowStride: width };
    }
    case "transpose": {
      const of = source.of.shape.length === 2 ? storedMatrix(source.of) : undefined;
      if (of === undefined || of.coded !== null) return undefined;
      return { ...of, rows, width, rowStride: of.columnStride, columnStride: of.rowStride };
    }
    case "rows": {
      const of = storedMatrix(source.of);
      if (of === undefined) return undefined;
      const { coded } = of;
      return {
        ...of,
        ...{ rows, offset: of.offset + storedBytesOf(of, source.start * of.rowStride) },
        coded: coded && { ...coded, start: coded.start + source.start },
      };
    }
    default:
      return undefined;
  }
}
