import { byteLength } from "../../ir/dtype.js";
import type { KernelSignature } from "../../ir/families/contract/family.js";
import type { TemplateItem } from "../template-values.js";

/**
 * Arguments as templates see them: `name`, byte offsets of `address` and `stride` among the launch words, and the
 * `shift` that turns a stride in elements into bytes, and `byRow`.
 * `wanted` picks some by name.
 */
export function watArgs(
  signature: KernelSignature,
  wanted: (name: string) => boolean = () => true,
): readonly TemplateItem[] {
  return signature.args
    .map((arg, i) => ({
      name: arg.name,
      address: 4 + 8 * i,
      stride: 8 + 8 * i,
      shift: Math.log2(byteLength(arg.dtype, 1)),
      byRow: arg.byRow,
    }))
    .filter((arg) => wanted(arg.name));
}

/** Byte offset of the first scalar among the launch words. */
export function scalarOffset(signature: KernelSignature): number {
  return 4 + 8 * signature.args.length;
}

/** A number as WebAssembly text writes a float. */
export function watFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  return Object.is(value, -0) ? "-0" : String(value);
}
