import type { BlockFormat } from "../../../ir/constant/blocks/formats.js";
import type { DType } from "../../../ir/dtype.js";

/** What the tensors of a kind are stored as: plain elements or blocks. */
export type GgufForm = { readonly dtype: DType } | { readonly blocks: BlockFormat };

/** Number in a file → name, and form where it is read. */
interface GgufKind {
  readonly name: string;
  readonly form?: GgufForm;
}

const plain = (name: string, dtype: DType): GgufKind => ({ name, form: { dtype } });
const blocks = (name: BlockFormat): GgufKind => ({ name, form: { blocks: name } });

const KINDS: ReadonlyMap<number, GgufKind> = new Map([
  [0, plain("F32", "f32")],
  [1, plain("F16", "f16")],
  [2, blocks("Q4_0")],
  [3, blocks("Q4_1")],
  [6, blocks("Q5_0")],
  [7, blocks("Q5_1")],
  [8, blocks("Q8_0")],
  [9, { name: "Q8_1" }],
  [10, blocks("Q2_K")],
  [11, blocks("Q3_K")],
  [12, blocks("Q4_K")],
  [13, blocks("Q5_K")],
  [14, blocks("Q6_K")],
  [15, { name: "Q8_K" }],
  [16, { name: "IQ2_XXS" }],
  [17, { name: "IQ2_XS" }],
  [18, { name: "IQ3_XXS" }],
  [19, { name: "IQ1_S" }],
  [20, { name: "IQ4_NL" }],
  [21, { name: "IQ3_S" }],
  [22, { name: "IQ2_S" }],
  [23, { name: "IQ4_XS" }],
  [24, plain("I8", "i8")],
  [25, plain("I16", "i16")],
  [26, plain("I32", "i32")],
  [27, plain("I64", "i64")],
  [28, plain("F64", "f64")],
  [29, { name: "IQ1_M" }],
  [30, plain("BF16", "bf16")],
  [34, blocks("TQ1_0")],
  [35, blocks("TQ2_0")],
  [36, { name: "I2_S" }],
  [39, { name: "MXFP4" }],
  [40, { name: "NVFP4" }],
  [41, blocks("Q1_0")],
  [42, blocks("Q2_0")],
  [142, blocks("PQ2_0")],
  [143, blocks("PTQ1_0")],
]);

/** Names of the kinds that are read. */
export const READ_KINDS: readonly string[] = [...KINDS.values()].flatMap(({ name, form }) =>
  form === undefined ? [] : [name],
);

export function kindOf(id: number): GgufKind {
  return KINDS.get(id) ?? { name: `kind ${id}` };
}
