import { divDims, elementCount, mulDims, type Shape } from "../dim.js";
import { MANY, oneOf, op, orNull } from "./definition.js";
import { sameAsFirst, tensor } from "./results.js";
import {
  concatResult,
  padResult,
  rangeResult,
  reshapeResult,
  sliceResult,
  splitSizes,
} from "./shape-results.js";
import { MOVES, PLAIN, RESHAPES } from "./traits.js";

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
    infer: (o, { allowZero }) => tensor(o.dtype(0), reshapeResult(o, allowZero)),
    traits: { ...RESHAPES, perStep: (_, { rank }) => rank >= 1, recognized: () => true },
  }),
  /** (x, shape): two-way broadcasting, as ONNX Expand. */
  expand: op({
    operands: 2,
    attrs: {},
    infer: (o) => tensor(o.dtype(0), o.broadcast(o.shape(0), o.ints(1) ?? null)),
    traits: {
      ...MOVES,
      perStep: (_, { rank, ranks }) => ranks.every((own) => own === rank),
      recognized: () => true,
    },
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
    infer: (o, { axis }) => tensor(o.dtype(0), concatResult(o, axis)),
    traits: {
      ...MOVES,
      moves: "all",
      narrow: RESHAPES.narrow,
      perSample: besideBatch,
      perStep: ({ axis }) => axis !== 0,
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
    infer: (o) => tensor(o.dtype(0), sliceResult(o)),
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
    infer: (o) => tensor(o.dtype(0), padResult(o)),
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
    infer: (o) => tensor(o.dtype(0), rangeResult(o)),
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
