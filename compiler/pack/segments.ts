import type { Constant } from "../../ir/constant/constant.js";
import { isTernary } from "../../ir/format/encoding.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import type { WeightTensor } from "../lower/index.js";
import type { RowMethod } from "./row-packer.js";
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
  /** What is made of the rows. */
  readonly method: RowMethod;
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
  if (encoding !== "plain")
    return collectBlocks(constant, 0, rows, 0)?.map((part) => ({ ...part, encoding }));
  if (!weight || constant.shape.length < 2) return undefined;
  const found = collectWords(constant, 0, rows, 0);
  const isPacked = ({ matrix, method }: Part) => (method === "bf16" ? method : matrix.type) === tensor.dtype;
  return found?.every(isPacked) === true ? found.map((part) => ({ ...part, encoding })) : undefined;
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

/** Rows [start, end) of values, stored as they are or rounded to bf16. */
function collectWords(
  constant: Constant,
  start: number,
  end: number,
  at: number,
): readonly Part[] | undefined {
  const { source, dtype } = constant;
  const matrix = storedMatrix(constant);
  if (matrix !== undefined)
    return [{ at, count: end - start, weight: constant, start, matrix, method: "words", group: null }];
  switch (source.kind) {
    case "concat":
      return eachPart(source.of, start, end, at, collectWords);
    case "rows":
      return collectWords(source.of, source.start + start, source.start + end, at);
    case "cast": {
      const found = collectWords(source.of, start, end, at);
      if (dtype === "f32") return found;
      return dtype === "bf16" ? found?.map(rounded) : undefined;
    }
    default:
      return undefined;
  }
}

/** A part whose values are rounded to bf16, if they aren't bf16 already. */
function rounded(part: Part): Part {
  if (part.method !== "words" || part.matrix.type === "bf16") return part;
  const { weight } = part;
  const of: Constant = { dtype: "bf16", shape: weight.shape, source: { kind: "cast", of: weight } };
  return { ...part, method: "bf16", weight: of };
}

/** Rows [start, end) of the blocks of stored values. */
function collectBlocks(
  constant: Constant,
  start: number,
  end: number,
  at: number,
): readonly Part[] | undefined {
  const { source } = constant;
  switch (source.kind) {
    case "concat":
      return eachPart(source.of, start, end, at, collectBlocks);
    case "rows":
      return collectBlocks(source.of, source.start + start, source.start + end, at);
    case "to-blocks": {
      const found = collectWords(source.of, start, end, at);
      if (found?.some(({ method }) => method === "bf16") !== false) return undefined;
      return found.map((part) => ({ ...part, method: source.format }));
    }
    default:
      return undefined;
  }
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
