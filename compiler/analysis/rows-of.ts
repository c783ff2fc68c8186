import type { Constant } from "../../ir/constant/constant.js";

/** Rows `start` to `start + count` of a constant, or the constant itself where that is all of them. */
export function rowsOf(of: Constant, start: number, count: number): Constant {
  if (start === 0 && count === of.shape[0]) return of;
  return { dtype: of.dtype, shape: [count, ...of.shape.slice(1)], source: { kind: "rows", of, start } };
}
