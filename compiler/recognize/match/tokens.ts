import { addDims, type Dim, subDims } from "../../../ir/dim.js";
import type { ValueId } from "../../../ir/graph/graph.js";
import type { Rewriter } from "../../rewrite/rewriter.js";

/** Tokens `start` to `start + length` of rows [1, T, C] or [T, C]; an operand of a concat is taken directly. */
export function cutTokens(rewriter: Rewriter, rows: ValueId, start: Dim, length: Dim): ValueId {
  const shape = rewriter.shape(rows) ?? [];
  const axis = shape.length - 2;
  if (shape[axis] === length) return rewriter.resolve(rows);
  const node = rewriter.producer(rows);
  if (node?.op === "concat" && node.attrs.axis === axis) {
    let offset: Dim = 0;
    for (const input of node.inputs) {
      const size = input === null ? undefined : rewriter.shape(input)?.[axis];
      if (input === null || size === undefined) break;
      // Exactly this operand, or a stretch inside it.
      if (offset === start && size === length) return rewriter.resolve(input);
      if (typeof offset === "number" && typeof size === "number" && typeof start === "number") {
        if (typeof length === "number" && start >= offset && start + length <= offset + size) {
          return cutTokens(rewriter, input, start - offset, length);
        }
      }
      offset = addDims(offset, size);
    }
  }
  if (node?.op === "part" && node.attrs.axis === axis) {
    const source = rewriter.input(node, 0);
    if (source !== undefined) return cutTokens(rewriter, source, addDims(node.attrs.start, start), length);
  }
  return rewriter.emit(
    { op: "part", inputs: [rows], attrs: { axis, start, length } },
    shape.with(axis, length),
    rewriter.dtype(rows),
  );
}

/** Rows one after the other; neighboring parts of one value become one part again. */
export function joinTokens(rewriter: Rewriter, rows: readonly ValueId[], tokens: Dim): ValueId {
  const ranks = new Set(rows.map((r) => rewriter.shape(r)?.length));
  const aligned =
    ranks.size === 1 ? rows.map((r) => rewriter.resolve(r)) : rows.map((r) => threeAxes(rewriter, r));
  const whole = oneStretch(rewriter, aligned, tokens);
  if (whole !== undefined) return whole;
  const first = aligned[0] ?? "";
  const shape = rewriter.shape(first) ?? [];
  const axis = shape.length - 2;
  return rewriter.emit(
    { op: "concat", inputs: aligned, attrs: { axis } },
    shape.with(axis, tokens),
    rewriter.dtype(first),
  );
}

/** concat(part(x, s, m), part(x, s + m, n)) = part(x, s, m + n) */
function oneStretch(rewriter: Rewriter, rows: readonly ValueId[], tokens: Dim): ValueId | undefined {
  let source: ValueId | undefined;
  let start: Dim | undefined;
  let end: Dim = 0;
  for (const row of rows) {
    const node = rewriter.producer(row);
    const rank = rewriter.shape(row)?.length ?? 0;
    if (node?.op !== "part" || node.attrs.axis !== rank - 2) return undefined;
    const from = rewriter.input(node, 0);
    if (start === undefined) [source, start, end] = [from, node.attrs.start, node.attrs.start];
    if (from !== source || subDims(node.attrs.start, end) !== 0) return undefined;
    end = addDims(end, node.attrs.length);
  }
  return source === undefined || start === undefined ? undefined : cutTokens(rewriter, source, start, tokens);
}

function threeAxes(rewriter: Rewriter, rows: ValueId): ValueId {
  const shape = rewriter.shape(rows) ?? [];
  return shape.length === 3
    ? rewriter.resolve(rows)
    : rewriter.reshape(rows, [1, shape[0] ?? 1, shape[1] ?? 1]);
}
