import { type Dim, divDims, elementCount } from "../../ir/dim.js";
import type { LaunchArg } from "../../ir/program/program.js";
import { UnsupportedOp } from "./lowering.js";
import { columnsOf, type Operand, repeatedArg, rowsArg, rowsOf } from "./operand.js";

/** A size that kernels are specialized to. */
export function fixed(dim: Dim): number {
  if (typeof dim === "number") return dim;
  throw new UnsupportedOp(`a row of ${dim} elements, which must be a number`);
}

export function headsOf(columns: number, size: number): number {
  const heads = divDims(columns, size);
  if (typeof heads !== "number") throw new UnsupportedOp(`${columns} channels are no multiple of ${size}`);
  return heads;
}

/** A vector that every row reads. */
export function wholeVector(operand: Operand | null, count: number) {
  if (operand === null) return [];
  if (elementCount(operand.shape) !== count) {
    throw new UnsupportedOp(`a vector of ${elementCount(operand.shape)} entries where ${count} are needed`);
  }
  return [repeatedArg(operand)];
}

/** An operand with one row for every row of `out`, or with one row for all of them. */
export function perRowOrOnce(operand: Operand, out: Operand): LaunchArg {
  if (columnsOf(operand.shape) !== columnsOf(out.shape)) {
    throw new UnsupportedOp(`${columnsOf(operand.shape)} channels where ${columnsOf(out.shape)} are needed`);
  }
  if (rowsOf(operand.shape) === 1) return repeatedArg(operand);
  if (rowsOf(operand.shape) === rowsOf(out.shape)) return rowsArg(operand);
  throw new UnsupportedOp(`${rowsOf(operand.shape)} rows where 1 or ${rowsOf(out.shape)} are needed`);
}
