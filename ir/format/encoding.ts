import { ROUNDED_FORMATS, type RoundedFormat } from "../constant/blocks/encode.js";
import { STORED_CODES, type TernaryStorage } from "../ternary/storage.js";

/**
 * How a tensor of a weight file holds values. trits: rows of ceil(k/5) bytes, five ternary codes a byte. 2bit: rows of ceil(k/4)
 * bytes, four codes a byte. Q8_0, Q4_0: rows of ggml's blocks of this name, 32 elements behind a scale. plain: elements of the
 * tensor's type.
 */
export type Encoding = TernaryStorage | RoundedFormat | "plain";

export const ENCODINGS = [
  "trits",
  "2bit",
  ...ROUNDED_FORMATS,
  "plain",
] as const satisfies readonly Encoding[];

/** Whether a tensor holds ternary codes. */
export function isTernary(encoding: Encoding): encoding is TernaryStorage {
  return Object.hasOwn(STORED_CODES, encoding);
}
