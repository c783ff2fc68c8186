import { addDims, type Dim, divDims, elementCount, mulDims, type Shape, subDims, sumDims } from "../dim.js";
import { MANY, oneOf, op, orNull } from "./definition.js";
import type { Operands } from "./operands.js";
import { sameAsFirst, tensor } from "./results.js";
import { sliceExtent } from "./slice.js";
import { MOVES, PLAIN, RESHAPES } from "./traits.js";

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

function reshape(o: Operands, allowZero: boolean): Shape | null {
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

function concat(o: Operands, axisAttr: number): Shape | null {
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
function splitSizes(o: Operands, axisAttr: number): readonly Dim[] | null {
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

function slice(o: Operands): Shape | null {
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

function range(o: Operands): Shape | null {
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

function pad(o: Operands): Shape | null {
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

/** Parts and joins along another axis than the batch: any but the first, or a first one that counts tokens. */
function besideBatch({ axis }: { readonly axis: number }, x: Shape): boolean {
  return (axis < 0 ? axis + x.length : axis) > 0 || x[0] !== 1;
}

/**
 * Elements moved, repeated or made by their place. Shape-like operands are i64 values, constant or computed: an operand that
 * ONNX turned from an attribute into an input over the opsets is an input here, whatever the file's opset.
 */
export const shapes = {
  shape: op({
    operands: 1,
    attrs: { start: "number", end: orNull("number") },
    infer: (o, { start, end }) => {
      const shape = o.shape(0);
      return tensor("i64", shape === null ? null : [shape.slice(start, end ?? undefined).length]);
    },
    traits: PLAIN,
  }),
  size: op({
    operands: 1,
    attrs: {},
    infer: () => tensor("i64", []),
    traits: PLAIN,
  }),
  /** (x, shape): 0 copies the input's dimension unless allowZero; one -1 is inferred. */
  reshape: op({
    operands: 2,
    attrs: { allowZero: "bool" },
    infer: (o, { allowZero }) => tensor(o.dtype(0), reshape(o, allowZero)),
    traits: { ...RESHAPES, perStep: (_, { rank }) => rank >= 1, recognized: () => true },
  }),
  /** (x, shape): two-way broadcasting, as ONNX Expand. */
  expand: op({
    operands: 2,
    attrs: {},
    infer: (o) => tensor(o.dtype(0), o.broadcast(o.shape(0), o.ints(1) ?? null)),
    traits: MOVES,
  }),
  /** (x, axes?) */
  squeeze: op({
    operands: [1, 2],
    attrs: {},
    infer: (o) => {
      const shape = o.shape(0);
      if (shape === null || (o.has(1) && o.plainInts(1) === undefined)) return tensor(o.dtype(0), null);
      const axes = o.plainInts(1)?.map((a) => o.axis(a, shape.length));
      return tensor(
        o.dtype(0),
        shape.filter((d, i) => (axes === undefined ? d !== 1 : !axes.includes(i))),
      );
    },
    traits: RESHAPES,
  }),
  /** (x, axes) */
  unsqueeze: op({
    operands: 2,
    attrs: {},
    infer: (o) => {
      const shape = o.shape(0);
      const axes = o.plainInts(1);
      if (shape === null || axes === undefined) return tensor(o.dtype(0), null);
      const rank = shape.length + axes.length;
      const added = new Set(axes.map((a) => o.axis(a, rank)));
      let next = 0;
      return tensor(
        o.dtype(0),
        Array.from({ length: rank }, (_, i) => (added.has(i) ? 1 : (shape[next++] ?? 1))),
      );
    },
    traits: RESHAPES,
  }),
  flatten: op({
    operands: 1,
    attrs: { axis: "number" },
    infer: (o, { axis }) => {
      const shape = o.shape(0);
      if (shape === null) return tensor(o.dtype(0), null);
      const at = axis < 0 ? axis + shape.length : axis;
      return tensor(o.dtype(0), [elementCount(shape.slice(0, at)), elementCount(shape.slice(at))]);
    },
    traits: RESHAPES,
  }),
  transpose: op({
    operands: 1,
    attrs: { perm: orNull("numbers") },
    infer: (o, { perm }) => {
      const shape = o.shape(0);
      if (shape === null) return tensor(o.dtype(0), null);
      if (perm !== null && perm.length !== shape.length)
        o.fail(`a permutation of ${shape.length} axes`, `[${perm}]`);
      return tensor(
        o.dtype(0),
        perm === null ? [...shape].reverse() : perm.map((p) => shape[o.axis(p, shape.length)] ?? 1),
      );
    },
    traits: MOVES,
  }),
  concat: op({
    operands: [1, MANY],
    attrs: { axis: "axis" },
    infer: (o, { axis }) => tensor(o.dtype(0), concat(o, axis)),
    traits: {
      ...MOVES,
      moves: "all",
      narrow: RESHAPES.narrow,
      perSample: besideBatch,
      perStep: ({ axis }, { ranks, operands }) => axis !== 0 && ranks.length === operands,
      recognized: () => true,
    },
  }),
  /** (x, sizes?) → parts */
  split: op({
    operands: [1, 2],
    results: [1, MANY],
    attrs: { axis: "axis" },
    infer: (o, { axis }) => {
      const shape = o.shape(0);
      const sizes = splitSizes(o, axis);
      return o.eachResult((part) => {
        const size = sizes?.[part];
        if (shape === null || size === undefined) return { dtype: o.dtype(0), shape: null };
        return {
          dtype: o.dtype(0),
          shape: shape.map((d, i) => (i === o.axis(axis, shape.length) ? size : d)),
        };
      });
    },
    traits: MOVES,
  }),
  /** (x, starts, ends, axes?, steps?) */
  slice: op({
    operands: [3, 5],
    attrs: {},
    infer: (o) => tensor(o.dtype(0), slice(o)),
    traits: MOVES,
  }),
  /** (x) → the part of one axis from `start`, `length` long; canonical form of slice, split and chunk */
  part: op({
    operands: 1,
    attrs: { axis: "number", start: "dim", length: "dim" },
    infer: (o, { axis, length }) => {
      const shape = o.shape(0);
      return tensor(o.dtype(0), shape === null ? null : shape.map((d, i) => (i === axis ? length : d)));
    },
    traits: {
      ...MOVES,
      narrow: RESHAPES.narrow,
      perSample: besideBatch,
      perStep: ({ axis }) => axis !== 0,
      recognized: () => true,
    },
  }),
  /** (x, repeats) */
  tile: op({
    operands: 2,
    attrs: {},
    infer: (o) => {
      const [shape, repeats] = [o.shape(0), o.ints(1)];
      if (shape === null || repeats === undefined) return tensor(o.dtype(0), null);
      return tensor(
        o.dtype(0),
        shape.map((d, i) => mulDims(d, repeats[i] ?? 1)),
      );
    },
    traits: MOVES,
  }),
  /** (x, pads, value?, axes?) */
  pad: op({
    operands: [2, 4],
    attrs: { mode: oneOf("constant", "reflect", "edge", "wrap") },
    infer: (o) => tensor(o.dtype(0), pad(o)),
    traits: PLAIN,
  }),
  /** (shape) → filled with value */
  "constant-of-shape": op({
    operands: 1,
    attrs: { value: "number", dtype: "dtype" },
    infer: (o, { dtype }) => tensor(dtype, o.ints(0) ?? null),
    traits: PLAIN,
  }),
  /** (start, limit, delta) */
  range: op({
    operands: 3,
    attrs: {},
    infer: (o) => tensor(o.dtype(0), range(o)),
    traits: PLAIN,
  }),
  /** (x, k?) */
  trilu: op({
    operands: [1, 2],
    attrs: { upper: "bool" },
    infer: sameAsFirst,
    traits: PLAIN,
  }),
  "eye-like": op({
    operands: 1,
    attrs: { k: "number", dtype: orNull("dtype") },
    infer: (o, { dtype }) => tensor(dtype ?? o.dtype(0), o.shape(0)),
    traits: PLAIN,
  }),
  "depth-to-space": op({
    operands: 1,
    attrs: { blockSize: "number", mode: oneOf("DCR", "CRD") },
    infer: (o, { blockSize: b }) => {
      const shape = o.shape(0);
      if (shape === null) return tensor(o.dtype(0), null);
      const [n = 1, c = 1, h = 1, w = 1] = shape;
      const channels = divDims(c, b * b);
      if (channels === undefined && typeof c === "number") o.fail(`channels divisible by ${b * b}`, `${c}`);
      if (channels === undefined) return tensor(o.dtype(0), null);
      return tensor(o.dtype(0), [n, channels, mulDims(h, b), mulDims(w, b)]);
    },
    traits: PLAIN,
  }),
  "space-to-depth": op({
    operands: 1,
    attrs: { blockSize: "number" },
    infer: (o, { blockSize: b }) => {
      const shape = o.shape(0);
      const [n = 1, c = 1, h = 1, w = 1] = shape ?? [];
      const [rows, columns] = [divDims(h, b), divDims(w, b)];
      if (shape === null || rows === undefined || columns === undefined) return tensor(o.dtype(0), null);
      return tensor(o.dtype(0), [n, mulDims(c, b * b), rows, columns]);
    },
    traits: PLAIN,
  }),
};
