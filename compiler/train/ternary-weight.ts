import type { Constant } from "../../ir/constant/constant.js";

/** A weight as s·t: codes t in {-1, 0, 1} [n, k], and a scale for each row [n]. */
export interface TernaryWeight {
  readonly codes: Constant;
  readonly scales: Constant;
}

/** Codes and scales as the file has them, so that a row whose codes are all 0 keeps its scale. */
export function storedTernary(weight: Constant): TernaryWeight | undefined {
  const { shape, source } = weight;
  const isTurned = source.kind === "transpose";
  const stored = isTurned ? source.of.source : source;
  if (
    stored.kind !== "dequantize" ||
    stored.zeroPoint !== null ||
    stored.blockSize !== 0 ||
    stored.axis !== (isTurned ? 1 : 0) ||
    stored.scale.dtype !== "f32" ||
    stored.scale.shape[0] !== shape[0]
  ) {
    return undefined;
  }
  const { codes, scale: scales } = stored;
  const of: Constant = { dtype: "i8", shape: codes.shape, source: { kind: "cast", of: codes } };
  return { codes: isTurned ? { dtype: "i8", shape, source: { kind: "transpose", of } } : of, scales };
}

/** What rows of {-s, 0, s} are made of. */
export function fittedTernary(of: Constant): TernaryWeight {
  const { shape } = of;
  return {
    codes: { dtype: "i8", shape, source: { kind: "ternary-codes", of, method: "exact" } },
    scales: {
      dtype: "f32",
      shape: shape.slice(0, 1),
      source: { kind: "ternary-scales", of, method: "exact" },
    },
  };
}
