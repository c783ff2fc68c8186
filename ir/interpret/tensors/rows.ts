import { countOf, type Tensor } from "../../tensor.js";
import { OpError } from "../value.js";

/** Sizes of [..., C]: rows and channels. */
export function rowsAndChannels(x: Tensor): { rows: number; channels: number } {
  const channels = x.shape[x.shape.length - 1] ?? 1;
  return { rows: countOf(x.shape.slice(0, -1)), channels };
}

/**
 * Reads a [B, C] (or [C], [B, 1, C], [B, T, C]) operand at the rows of [B, T, C]: gives the operand's row for
 * each row of x.
 */
export function rowMap(x: Tensor, v: Tensor): (row: number) => number {
  const { rows, channels } = rowsAndChannels(x);
  const own = rowsAndChannels(v);
  if (own.channels !== channels || own.rows === 0 || rows % own.rows !== 0) {
    throw new OpError(`[${v.shape.join(", ")}] does not give rows for [${x.shape.join(", ")}]`);
  }
  const repeat = rows / own.rows;
  return (row) => Math.floor(row / repeat);
}
