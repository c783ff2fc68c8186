import type { Constant } from "../../ir/constant/constant.js";
import { byteLength, DTYPE_BITS, type DType } from "../../ir/dtype.js";
import type { CodedForm } from "./coded-rows.js";
import type { RowType } from "./kernel.js";

/** Floats in a file, or in memory. */
export type StoredFloats =
  | { readonly file: string; readonly offset: number }
  | { readonly bytes: Uint8Array };

/** A matrix [rows, width] that lies in a file as rows of codes. */
export interface CodedMatrix {
  readonly form: CodedForm;
  readonly file: string;
  readonly offset: number;
  readonly rows: number;
  readonly width: number;
  /** One after the other by row and group. */
  readonly scales: StoredFloats;
  readonly biases: StoredFloats | null;
}

/** Bytes of a row's codes. */
export function codeBytes({ form, width }: Pick<CodedMatrix, "form" | "width">): number {
  return (width * form.bits) / 8;
}

/** Bytes of a row's scales, and of its biases if there are any. */
export function factorBytes({ form, width }: Pick<CodedMatrix, "form" | "width">): number {
  return byteLength(form.scaleType, Math.ceil(width / form.size));
}

/**
 * The matrix as packers decode it: as MLX has quantized it, or as a node DequantizeLinear does without zero points and with a
 * scale for each row or block of a row. Undefined for other constants, and where groups do not begin with a byte.
 */
export function codedMatrix(constant: Constant): CodedMatrix | undefined {
  const { source, shape, dtype } = constant;
  const [rows = 0, width = 0] = shape;
  const type = rowType(dtype);
  if (shape.length !== 2 || type === undefined) return undefined;
  if (source.kind === "affine") {
    const { codes, bits, scales, biases } = source;
    const [, groups = 1] = scales.shape;
    if (scales.dtype !== biases.dtype) return undefined;
    const size = width / groups;
    return made({ rows, width }, { type, bits, size, signed: false }, codes, scales, biases);
  }
  if (source.kind === "dequantize") {
    const { codes, scale, zeroPoint, axis, blockSize } = source;
    const byRow = blockSize === 0 && (axis === 0 || axis === -2) && scale.shape.length === 1;
    const byBlock = blockSize > 0 && (axis === 1 || axis === -1);
    if (zeroPoint !== null || codes.shape.length !== 2 || (!byRow && !byBlock)) return undefined;
    const form = { type, bits: DTYPE_BITS[codes.dtype], signed: codes.dtype.startsWith("i") };
    return made({ rows, width }, { ...form, size: byRow ? width : blockSize }, codes, scale, null);
  }
  return undefined;
}

function made(
  size: Pick<CodedMatrix, "rows" | "width">,
  form: Pick<CodedForm, "type" | "bits" | "signed" | "size">,
  codes: Constant,
  scales: Constant,
  biases: Constant | null,
): CodedMatrix | undefined {
  const { rows, width } = size;
  const scaleType = rowType(scales.dtype);
  const groups = rows * Math.ceil(width / form.size);
  const whole = [width, Math.min(form.size, width)].every((count) => (count * form.bits) % 8 === 0);
  if (scaleType === undefined || !whole || ![1, 2, 4].includes(form.bits)) return undefined;
  if (codes.source.kind !== "file" || codes.source.length < (rows * width * form.bits) / 8) return undefined;
  const { file, offset } = codes.source;
  const [scale, bias] = [floatsOf(scales, groups), biases === null ? null : floatsOf(biases, groups)];
  if (scale === undefined || bias === undefined) return undefined;
  return {
    ...size,
    form: { ...form, scaleType, biased: bias !== null },
    file,
    offset,
    scales: scale,
    biases: bias,
  };
}

function floatsOf({ source, dtype }: Constant, count: number): StoredFloats | undefined {
  const need = byteLength(dtype, count);
  if (source.kind === "file" && source.length >= need) return { file: source.file, offset: source.offset };
  return source.kind === "inline" && source.bytes.length >= need ? { bytes: source.bytes } : undefined;
}

function rowType(dtype: DType): RowType | undefined {
  return dtype === "f16" || dtype === "bf16" || dtype === "f32" ? dtype : undefined;
}

/** The part of the floats that belongs to rows from `row` on. */
export function floatsFrom(floats: StoredFloats, row: number, rows: number, rowBytes: number): StoredFloats {
  const at = row * rowBytes;
  if ("bytes" in floats) return { bytes: floats.bytes.slice(at, at + rows * rowBytes) };
  return { file: floats.file, offset: floats.offset + at };
}
