import { byteLength } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import type { KernelSignature } from "../../ir/families/contract/family.js";
import { WASM_SCRATCH_BYTES } from "../../targets/cpu/abi.js";
import type { KernelDefinition, TemplateItem, TemplateValues } from "../family.js";
import { kernelRecord } from "../record.js";

/** What a WebAssembly kernel is made from, besides its signature. */
export interface WatOptions {
  readonly template: string;
  readonly values: TemplateValues;
  readonly tile: readonly [number, number, number];
  readonly features?: readonly string[];
  readonly fallback?: KernelDefinition;
}

export function defineWat(
  family: string,
  params: object,
  signature: KernelSignature,
  options: WatOptions,
): KernelDefinition {
  return {
    kernel: kernelRecord(family, params, signature, { features: options.features ?? [] }),
    language: "wat",
    template: options.template,
    values: options.values,
    tile: options.tile,
    fallback: options.fallback ?? null,
  };
}

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

/** Rows of a tile where a row of c channels is one unit of work: about 4096 elements, so that few rows still divide. */
export function rowTile(c: number): number {
  return Math.max(1, Math.min(64, Math.floor(4096 / c)));
}

/** Throws `TRITC_E_KERNEL` where a thread's scratch memory cannot hold a row of c channels and a vector behind it. */
export function checkScratchRow(family: string, c: number): void {
  if (4 * c + 16 <= WASM_SCRATCH_BYTES) return;
  throw new TritcError({
    code: "TRITC_E_KERNEL",
    message: "a row does not fit into a thread's scratch memory",
    place: family,
    expected: `at most ${WASM_SCRATCH_BYTES / 4 - 4} channels`,
    found: `${c}`,
    remedy: "compile without fusing the quantization",
  });
}
