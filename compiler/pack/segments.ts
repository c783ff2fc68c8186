import type { Constant, TernaryMethod } from "../../ir/constant/constant.js";
import { isTernary } from "../../ir/format/encoding.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import type { WeightTensor } from "../lower/index.js";
import { type StoredMatrix, storedBytesOf, storedMatrix } from "./stored-matrix.js";

/** Rows of a packed tensor that come from one matrix of a file. */
export interface Segment {
  /** First row of the tensor. */
  readonly at: number;
  readonly count: number;
  /** The weight whose rows they are, and the first of them. */
  readonly weight: Constant;
  readonly start: number;
  readonly matrix: StoredMatrix;
  /** words: the rows are stored as they are. */
  readonly method: TernaryMethod | "words";
  /** Inputs that share a scale; null: a row's all. */
  readonly group: GroupSize | null;
  readonly encoding: WeightTensor["encoding"];
}

type Part = Omit<Segment, "encoding">;

/** Bytes of the source that rows of a segment are made of. */
export function sourceBytes({ matrix }: Segment, rows: number): number {
  return storedBytesOf(matrix, rows * matrix.width);
}

/** A tensor's rows as segments of stored matrices; undefined where it is not made of such alone. */
export function segmentsOf(tensor: WeightTensor): readonly Segment[] | undefined {
  const { constant, encoding, weight } = tensor;
  const rows = constant.shape[0] ?? 1;
  if (constant.shape.includes(0)) return undefined;
  if (isTernary(encoding)) return collect(constant, 0, rows, 0)?.map((part) => ({ ...part, encoding }));
  if (encoding !== "plain" || !weight || constant.shape.length < 2) return undefined;
  const found = collectWords(constant, 0, rows, 0);
  if (found?.every(({ matrix }) => matrix.type === tensor.dtype) !== true) return undefined;
  return found.map((part) => ({ ...part, encoding }));
}

/** Rows [start, end) of codes, from row `at` of the tensor on. */
function collect(constant: Constant, start: number, end: number, at: number): readonly Part[] | undefined {
  const { source } = constant;
  switch (source.kind) {
    case "concat":
      return eachPart(source.of, start, end, at, collect);
    case "rows":
      return collect(source.of, source.start + start, source.start + end, at);
    case "ternary-codes": {
      const matrix = storedMatrix(source.of);
      if (matrix === undefined) return undefined;
      const { of: weight, method, group = null } = source;
      return [{ at, count: end - start, weight, start, matrix, method, group }];
    }
    default:
      return undefined;
  }
}

function collectWords(
  constant: Constant,
  start: number,
  end: number,
  at: number,
): readonly Part[] | undefined {
  const { source } = constant;
  if (source.kind === "concat") return eachPart(source.of, start, end, at, collectWords);
  const matrix = storedMatrix(constant);
  if (matrix === undefined) return undefined;
  return [{ at, count: end - start, weight: constant, start, matrix, method: "words", group: null }];
}

function eachPart(
  parts: readonly Constant[],
  start: number,
  end: number,
  at: number,
  visit: typeof collect,
): readonly Part[] | undefined {
  const found: Part[] = [];
  let first = 0;
  for (const part of parts) {
    const last = first + (part.shape[0] ?? 0);
    const [from, to] = [Math.max(start, first), Math.min(end, last)];
    if (from < to) {
      const inner = visit(part, from - first, to - first, at + from - start);
      if (inner === undefined) return undefined;
      found.push(...inner);
    }
    first = last;
  }
  return found;
}
