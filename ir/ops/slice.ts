import { addDims, type Dim, divDims, subDims } from "../dim.js";
import { atMost, compareDims } from "./operands.js";

/** Bounds this large mean "to the end": exporters write INT64_MAX or INT32_MAX. */
const UNBOUNDED = 2 ** 31 - 1;

export interface SliceExtent {
  readonly start: Dim;
  readonly length: Dim;
}

/** First index and element count of an ONNX slice of one axis; undefined where symbols leave it open. */
export function sliceExtent(size: Dim, start: Dim, end: Dim, step: number): SliceExtent | undefined {
  if (typeof size === "number" && typeof start === "number" && typeof end === "number") {
    return numericExtent(size, start, end, step);
  }
  if (step < 0) return wholeReversed(size, start, end, step);
  const first = bound(size, start);
  const last = bound(size, end);
  if (first === undefined || last === undefined) return undefined;
  const order = compareDims(last, first);
  if (order !== undefined && order <= 0) return { start: first, length: 0 };
  const span = subDims(last, first);
  if (step === 1) return { start: first, length: span };
  const exact = divDims(span, step);
  return exact === undefined ? undefined : { start: first, length: exact };
}

/** A positive-step bound as an index in [0, size], or undefined. */
function bound(size: Dim, at: Dim): Dim | undefined {
  if (typeof at === "number" && at >= UNBOUNDED) return size;
  if (typeof at === "number" && at <= -UNBOUNDED) return 0;
  const negative = compareDims(at, 0) === -1;
  const index = negative ? addDims(at, size) : at;
  if (compareDims(index, 0) === -1) return 0;
  if (atMost(index, size)) return index;
  // A symbolic or fixed bound beyond every size is the size; anything else depends on the symbols.
  if (atMost(size, index)) return size;
  // Exporters emit indices that fit: a constant bound on a symbolic axis, or a symbolic one on a constant axis, is
  // taken to lie inside it. At sizes where it does not, the program's launches reach beyond their buffers: refused.
  return typeof index === "number" || typeof size === "number" || negative ? index : undefined;
}

function numericExtent(size: number, start: number, end: number, step: number): SliceExtent {
  const clamp = (v: number, low: number, high: number) => Math.max(low, Math.min(high, v < 0 ? v + size : v));
  if (step > 0) {
    const first = clamp(start, 0, size);
    return { start: first, length: Math.max(0, Math.ceil((clamp(end, 0, size) - first) / step)) };
  }
  const first = clamp(start, -1, size - 1);
  return { start: first, length: Math.max(0, Math.ceil((clamp(end, -1, size - 1) - first) / step)) };
}

/** A symbolic axis read backwards from its end to its beginning. */
function wholeReversed(size: Dim, start: Dim, end: Dim, step: number): SliceExtent | undefined {
  const fromEnd = start === -1 || (typeof start === "number" && start >= UNBOUNDED);
  const toBegin = typeof end === "number" && end <= -UNBOUNDED;
  if (step !== -1 || !fromEnd || !toBegin) return undefined;
  return { start: subDims(size, 1), length: size };
}
