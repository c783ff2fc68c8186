import type { Constant } from "../constant.js";
import type { BlockFormat } from "./formats.js";
import type { BlockLayout } from "./layout.js";
import { nibbles, Q8_0 } from "./linear.js";
import { Q2_K, Q3_K, Q4_K, Q5_K, Q6_K } from "./super.js";
import { baseThree, consecutiveCodes, Q1_0, TQ2_0 } from "./ternary.js";

export const BLOCK_LAYOUTS: Readonly<Record<BlockFormat, BlockLayout>> = {
  Q8_0,
  Q4_0: nibbles({ fifth: false, minimum: false }),
  Q4_1: nibbles({ fifth: false, minimum: true }),
  Q5_0: nibbles({ fifth: true, minimum: false }),
  Q5_1: nibbles({ fifth: true, minimum: true }),
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
  Q1_0,
  Q2_0: consecutiveCodes(64),
  PQ2_0: consecutiveCodes(128),
  TQ1_0: baseThree([
    { bytes: 32, digits: 5 },
    { bytes: 16, digits: 5 },
    { bytes: 4, digits: 4 },
  ]),
  TQ2_0,
  PTQ1_0: baseThree([
    { bytes: 16, digits: 5 },
    { bytes: 8, digits: 5 },
    { bytes: 2, digits: 4 },
  ]),
};

/** Rows of blocks: shape [..., k] from u8 [..., bytes of k elements]. */
export function blockConstant(
  format: BlockFormat,
  shape: readonly number[],
  source: Constant["source"],
): Constant {
  const { elements, bytes, dtype } = BLOCK_LAYOUTS[format];
  const [width = 1] = shape.slice(-1);
  const of: Constant = { dtype: "u8", shape: [...shape.slice(0, -1), (width / elements) * bytes], source };
  return { dtype, shape, source: { kind: "blocks", format, of } };
}

/** Elements `from` to `to` of the row-major order; `read` gives bytes of the operand. */
export function blockElements(
  format: BlockFormat,
  from: number,
  to: number,
  read: (from: number, to: number) => Uint8Array,
): Float32Array {
  const { elements, bytes, decode } = BLOCK_LAYOUTS[format];
  const first = Math.floor(from / elements);
  const count = Math.ceil(to / elements) - first;
  const stored = read(first * bytes, (first + count) * bytes);
  const out = new Float32Array(count * elements);
  for (let i = 0; i < count; i++) decode(stored, i * bytes, out, i * elements);
  return out.subarray(from - first * elements, to - first * elements);
}
