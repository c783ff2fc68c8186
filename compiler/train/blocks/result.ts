import { list, number, object, string } from "../../../ir/format/decode.js";

/** What training has made of a block. */
export interface BlockResult {
  /** What the roles of its linears begin with: `double.0`. */
  readonly block: string;
  /** Of each step: Σ over what the block hands on, mean squared distance from the teacher's over its variance. */
  readonly losses: readonly number[];
  /** The same on the first batch: of the block as it began, and trained. */
  readonly before: number;
  readonly after: number;
  readonly seconds: number;
}

export const blockResult = object<BlockResult>({
  block: string,
  losses: list(number),
  before: number,
  after: number,
  seconds: number,
});

/** The file of a block's learned values. */
export function blockFile(block: string): string {
  return `${block}.safetensors`;
}
