import type { Constant } from "../../ir/constant/constant.js";
import { type GroupSize, scalesShape } from "../../ir/ternary/groups.js";

/** A weight as s·t: codes t in {-1, 0, 1} [n, k], and a scale for each row [n], or group of its inputs [n, groups]. */
export interface TernaryWeight {
  readonly codes: Constant;
  readonly scales: Constant;
}

/** Codes and scales as the file has them, so that a row whose codes are all 0 keeps its scale; undefined for other groups. */
export function storedTernary(weight: Constant, group: GroupSize | null = null): TernaryWeight | undefined {
  const { shape, source } = weight;
  const expected = scalesShape(shape, group);
  const isTurned = source.kind === "transpose";
  const stored = isTurned ? source.of.source : source;
  if (
    stored.kind !== "dequantize" ||
    stored.zeroPoint !== null ||
    stored.blockSize !== (group ?? 0) ||
    stored.axis !== (isTurned === (group === null) ? 1 : 0) ||
    stored.scale.dtype !== "f32" ||
    String(isTurned ? stored.scale.shape.toReversed() : stored.scale.shape) !== String(expected)
  ) {
    return undefined;
  }
  const { codes, scale } = stored;
  const isMatrix = isTurned && expected.length > 1;
  const scales: Constant = isMatrix
    ? { dtype: "f32", shape: expected, source: { kind: "transpose", of: scale } }
    : scale;
  const of: Constant = { dtype: "i8", shape: codes.shape, source: { kind: "cast", of: codes } };
  return { codes: isTurned ? { dtype: "i8", shape, source: { kind: "transpose", of } } : of, scales };
}

/** What rows, or groups, of {-s, 0, s} are made of. */
export function fittedTernary(of: Constant, group: GroupSize | null = null): TernaryWeight {
  const { shape } = of;
  const fitting = { of, method: "exact", ...(group !== null && { group }) } as const;
  return {
    codes: { dtype: "i8", shape, source: { kind: "ternary-codes", ...fitting } },
    scales: {
      dtype: "f32",
      shape: scalesShape(shape, group),
      source: { kind: "ternary-scales", ...fitting },
    },
  };
}
