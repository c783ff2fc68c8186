import type { DeviceDType, KernelArg, Language } from "../../program/program.js";
import type { LaunchSizes, Size } from "./sizes.js";

/** An argument of a family's kernels, and which elements of it a launch touches. */
export interface FamilyArg extends KernelArg {
  /** The axes along which its elements lie. */
  readonly axes: readonly Axis[];
  /** One row may serve all rows of a launch: a row stride of 0. */
  readonly repeats?: true;
  /** Which of its rows some rows of a launch touch, where that is not all of them. */
  readonly window?: Window;
  /** The device layout that its elements are in. */
  readonly layout?: WeightLayout;
}

/** Rows [first, first + rows) of something. */
export interface RowRange {
  readonly first: number;
  readonly rows: number;
}

/** The rows of an argument that rows of a launch touch, all of which lie in its buffer. */
export type Window = (of: RowRange, launch: LaunchSizes<number>) => RowRange;

/** One axis of the index space of an argument, with its stride in elements. */
export interface Axis {
  readonly size: Size;
  readonly stride: Size | "row stride";
}

/** A matrix in the layout that the kernels of each language read. */
export interface WeightLayout {
  /** Two layouts are the same where their names are. */
  readonly name: string;
  /** 32-bit words. */
  readonly words: Readonly<Record<Language, number>>;
}

type Access = KernelArg["access"];

function matrix(rows: Size, width: Size): readonly Axis[] {
  return [
    { size: rows, stride: "row stride" },
    { size: width, stride: 1 },
  ];
}

/** An argument whose row m, of `width` elements, belongs to row m of the launch. */
export function rowArg(name: string, dtype: DeviceDType, width: Size, access: Access = "read"): FamilyArg {
  return { name, dtype, access, byRow: true, axes: matrix("rows", width) };
}

/** A row of f32 for each row of the launch, or one for all of them: vectors of a modulation. */
export function vectorArg(name: string, width: number): FamilyArg {
  return { ...rowArg(name, "f32", width), repeats: true };
}

/** An argument of `width` elements that every row of the launch may touch as a whole. */
export function wholeArg(name: string, dtype: DeviceDType, width: Size, access: Access = "read"): FamilyArg {
  return tableArg(name, dtype, 1, width, access);
}

/** As `wholeArg`, of several rows. */
export function tableArg(
  name: string,
  dtype: DeviceDType,
  rows: Size,
  width: Size,
  access: Access = "read",
): FamilyArg {
  return { name, dtype, access, byRow: false, axes: matrix(rows, width) };
}

/** An argument whose elements lie along axes of any strides. */
export function stridedArg(
  name: string,
  dtype: DeviceDType,
  axes: readonly Axis[],
  access: Access = "read",
): FamilyArg {
  return { name, dtype, access, byRow: false, axes };
}

/** Weights in a device layout. */
export interface WeightsArg extends FamilyArg {
  readonly layout: WeightLayout;
}

export function weightsArg(
  dtype: DeviceDType,
  layout: WeightLayout,
  access: Access = "read",
  name = "weights",
): WeightsArg {
  return { ...wholeArg(name, dtype, Number.NaN, access), layout };
}

/** Rows of k codes padded to whole words, the factor of each row, and the sum of its codes. */
export function quantizedArgs(k: number, access: Access = "read"): readonly FamilyArg[] {
  return [
    rowArg("q", "i8", paddedK(k), access),
    rowArg("rowScale", "f32", 1, access),
    rowArg("rowSum", "i32", 1, access),
  ];
}

/** The list without the arguments whose condition is false. */
export function present(args: readonly (FamilyArg | false)[]): readonly FamilyArg[] {
  return args.filter((arg): arg is FamilyArg => arg !== false);
}

/** `multiple` ≥ 1: the smallest multiple of it that is at least `value`. */
export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/** Row length of quantized activations: k rounded up to 16; the codes in the pad are 0. */
export function paddedK(k: number): number {
  return roundUp(k, 16);
}
