import { addDims, type Dim, divDims, elementCount, type Shape, subDims, sumDims } from "../dim.js";
import type { Operands } from "./operands.js";
import { sliceExtent } from "./slice.js";

/** The shape a reshape gives, or null where a dimension cannot be found. */
export function reshapedShape(
  from: Shape | null,
  to: readonly Dim[],
  allowZero: boolean,
  quotient: (a: Dim, b: Dim) => Dim | undefined = divDims,
): Shape | null {
  const target: Dim[] = [];
  for (const [i, d] of to.entries()) {
    const copied = d === 0 && !allowZero ? from?.[i] : d;
    if (copied === undefined) return null;
    target.push(copied);
  }
  const open = target.indexOf(-1);
  if (open < 0) return target;
  if (from === null) return null;
  const size = quotient(elementCount(from), elementCount(target.filter((_, i) => i !== open)));
  if (size === undefined) return null;
  target[open] = size;
  return target;
}

export function reshapeResult(o: Operands, allowZero: boolean): Shape | null {
  const to = o.ints(1);
  if (to === undefined) return null;
  const from = o.shape(0);
  const shape = reshapedShape(from, to, allowZero, (a, b) => o.quotient(a, b));
  if (from === null) return shape;
  const before = elementCount(from);
  const after = shape === null ? "unknown" : elementCount(shape);
  const mismatch = typeof before === "number" && typeof after === "number" && before !== after;
  const inexact = shape === null && to.includes(-1) && typeof before === "number";
  if (mismatch || inexact) {
    o.fail(`a shape of ${before} elements, as [${from.join(", ")}] has`, `[${to.join(", ")}]`);
  }
  if (shape !== null) o.unify(before, elementCount(shape), "the elements of a reshape");
  return shape;
}

export function concatResult(o: Operands, axisAttr: number): Shape | null {
  const shapes: Shape[] = [];
  for (let i = 0; i < o.count; i++) {
    const shape = o.shape(i);
    if (shape === null) return null;
    shapes.push(shape);
  }
  const first = shapes[0] ?? [];
  const axis = o.axis(axisAttr, first.length);
  const other = shapes.find((shape) => shape.length !== first.length);
  if (other !== undefined) o.fail(`operands of rank ${first.length}`, `rank ${other.length}`);
  return first.map((d, i) =>
    i === axis
      ? sumDims(shapes.map((shape) => shape[i] ?? 1))
      : shapes.reduce(
          (size, shape) => o.unify(size, shape[i] ?? 1, `axis ${i} of a concatenation along ${axis}`),
          d,
        ),
  );
}

/** Sizes of the parts of a split; null where they are not known. */
export function splitSizes(o: Operands, axisAttr: number): readonly Dim[] | null {
  const given = o.ints(1);
  if (given !== undefined) return given;
  const shape = o.shape(0);
  if (o.has(1) || shape === null) return null;
  const parts = o.results;
  const size = shape[o.axis(axisAttr, shape.length)] ?? 1;
  const exact = divDims(size, parts);
  if (exact !== undefined) return new Array<Dim>(parts).fill(exact);
  if (typeof size !== "number") return null;
  const chunk = Math.ceil(size / parts);
  return Array.from({ length: parts }, (_, i) => Math.max(0, Math.min(chunk, size - i * chunk)));
}

export function sliceResult(o: Operands): Shape | null {
  const shape = o.shape(0);
  const starts = o.ints(1);
  const ends = o.ints(2);
  const steps = o.has(4) ? o.plainInts(4) : starts?.map(() => 1);
  const axes = o.has(3) ? o.plainInts(3) : starts?.map((_, i) => i);
  if (shape === null || !starts || !ends || !axes || !steps) return null;
  const result = [...shape];
  for (const [i, a] of axes.entries()) {
    const axis = o.axis(a, shape.length);
    const extent = sliceExtent(shape[axis] ?? 1, starts[i] ?? 0, ends[i] ?? 0, steps[i] ?? 1);
    if (extent === undefined) return null;
    result[axis] = extent.length;
  }
  return result;
}

export function rangeResult(o: Operands): Shape | null {
  const value = (i: number): Dim | undefined => (o.ints(i) ?? o.numbers(i))?.[0];
  const [start, limit, delta] = [value(0), value(1), value(2)];
  if (start === undefined || limit === undefined || delta === undefined) return null;
  if (typeof start === "number" && typeof limit === "number" && typeof delta === "number") {
    const count = Math.max(0, Math.ceil((limit - start) / delta));
    return Number.isSafeInteger(count)
      ? [count]
      : o.fail("a finite range", `${start} to ${limit} by ${delta}`);
  }
  const count = divDims(subDims(limit, start), delta);
  return count === undefined ? null : [count];
}

export function padResult(o: Operands): Shape | null {
  const shape = o.shape(0);
  const pads = o.ints(1);
  const axes = o.has(3) ? o.plainInts(3) : shape?.map((_, i) => i);
  if (shape === null || pads === undefined || axes === undefined) return null;
  const result = [...shape];
  for (const [i, a] of axes.entries()) {
    const axis = o.axis(a, shape.length);
    result[axis] = addDims(addDims(result[axis] ?? 1, pads[i] ?? 0), pads[i + axes.length] ?? 0);
  }
  return result;
}
