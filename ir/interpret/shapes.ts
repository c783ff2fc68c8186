import { isBig } from "../constant/convert.js";
import { allocate, countOf, type Tensor } from "../tensor.js";
import { broadcastShapes, broadcastStrides } from "./tensors/broadcast.js";
import { gatherStrided, stridedCopy } from "./tensors/copy.js";
import { pad } from "./tensors/pad.js";
import {
  axesOf,
  axisOf,
  i64,
  ints,
  like,
  OpError,
  type Section,
  scalar,
  stridesOf,
  withShape,
} from "./value.js";

function reshape(x: Tensor, shape: readonly number[], allowZero: boolean): Tensor {
  const out = shape.map((d, i) => (d === 0 && !allowZero ? (x.shape[i] ?? 0) : d));
  const unknown = out.indexOf(-1);
  if (unknown >= 0) {
    const known = out.reduce((n, d, i) => (i === unknown ? n : n * d), 1);
    out[unknown] = known === 0 ? 0 : x.data.length / known;
  }
  return withShape(x, out);
}

function squeeze(x: Tensor, axes: readonly number[] | null): Tensor {
  const drop = axes === null ? x.shape.flatMap((d, i) => (d === 1 ? [i] : [])) : axesOf(axes, x.shape.length);
  for (const axis of drop)
    if (x.shape[axis] !== 1) throw new OpError(`axis ${axis} of size ${x.shape[axis]} cannot be squeezed`);
  return withShape(
    x,
    x.shape.filter((_, i) => !drop.includes(i)),
  );
}

function unsqueeze(x: Tensor, axes: readonly number[]): Tensor {
  const rank = x.shape.length + axes.length;
  const added = new Set(axesOf(axes, rank));
  const rest = x.shape.values();
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) shape.push(added.has(i) ? 1 : (rest.next().value ?? 1));
  return withShape(x, shape);
}

export function transpose(x: Tensor, perm: readonly number[] | null): Tensor {
  const rank = x.shape.length;
  const order = perm === null ? x.shape.map((_, i) => rank - 1 - i) : axesOf(perm, rank);
  if (order.length !== rank) throw new OpError(`a permutation of ${order.length} axes for rank ${rank}`);
  const strides = stridesOf(x.shape);
  return gatherStrided(
    x,
    order.map((a) => x.shape[a]!),
    order.map((a) => strides[a]!),
  );
}

export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const first = parts[0];
  if (first === undefined) throw new OpError("nothing to concatenate");
  const rank = first.shape.length;
  const at = axisOf(axis, rank);
  const shape = [...first.shape];
  shape[at] = parts.reduce((n, p) => n + (p.shape[at] ?? 0), 0);
  for (const p of parts) {
    if (
      p.dtype !== first.dtype ||
      p.shape.length !== rank ||
      p.shape.some((d, i) => i !== at && d !== shape[i])
    ) {
      throw new OpError(
        `${p.dtype} [${p.shape.join(", ")}] does not join ${first.dtype} [${first.shape.join(", ")}] on axis ${at}`,
      );
    }
  }
  const wide = parts.some((p) => p.data instanceof Float64Array);
  const data = allocate(first.dtype, countOf(shape), wide);
  const strides = stridesOf(shape);
  let offset = 0;
  for (const part of parts) {
    const from = widen(part, wide);
    stridedCopy(
      part.shape,
      { data: from.data, offset: 0, strides: stridesOf(part.shape) },
      { data, offset, strides },
    );
    offset += part.shape[at]! * strides[at]!;
  }
  return { dtype: first.dtype, shape, data };
}

/** Copies need both sides in cells of one width. */
export function widen(t: Tensor, wide: boolean): Tensor {
  return wide && t.data instanceof Float32Array ? { ...t, data: Float64Array.from(t.data) } : t;
}

export function part(x: Tensor, axis: number, start: number, length: number): Tensor {
  const shape = [...x.shape];
  if (start < 0 || length < 0 || start + length > shape[axis]!) {
    throw new OpError(`${start} to ${start + length} is outside axis ${axis} of [${shape.join(", ")}]`);
  }
  shape[axis] = length;
  const strides = stridesOf(x.shape);
  return gatherStrided(x, shape, strides, start * strides[axis]!);
}

function split(x: Tensor, axis: number, sizes: readonly number[] | null, outputs: number): Tensor[] {
  const size = x.shape[axis]!;
  const chunk = Math.ceil(size / outputs);
  const lengths =
    sizes ?? Array.from({ length: outputs }, (_, i) => Math.max(0, Math.min(chunk, size - i * chunk)));
  if (lengths.reduce((n, d) => n + d, 0) !== size || lengths.length !== outputs) {
    throw new OpError(`sizes ${lengths.join(", ")} for ${outputs} parts of axis ${axis} of size ${size}`);
  }
  let start = 0;
  return lengths.map((length) => {
    const piece = part(x, axis, start, length);
    start += length;
    return piece;
  });
}

function clamp(v: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, v));
}

function slice(
  x: Tensor,
  starts: readonly number[],
  ends: readonly number[],
  axes: readonly number[],
  steps: readonly number[],
): Tensor {
  const shape = [...x.shape];
  const own = stridesOf(x.shape);
  const strides = [...own];
  let offset = 0;
  axes.forEach((axis, i) => {
    const size = x.shape[axis]!;
    const step = steps[i]!;
    if (step === 0) throw new OpError("a slice step of 0");
    let [start, end] = [starts[i]!, ends[i]!];
    if (start < 0) start += size;
    if (end < 0) end += size;
    start = step > 0 ? clamp(start, 0, size) : clamp(start, 0, size - 1);
    end = step > 0 ? clamp(end, 0, size) : clamp(end, -1, size - 1);
    shape[axis] = Math.max(0, Math.ceil((end - start) / step));
    strides[axis] = own[axis]! * step;
    offset += start * own[axis]!;
  });
  return gatherStrided(x, shape, strides, offset);
}

function expand(x: Tensor, shape: readonly number[]): Tensor {
  const target = broadcastShapes(x.shape, shape);
  return gatherStrided(x, target, broadcastStrides(x.shape, target));
}

function tile(x: Tensor, repeats: readonly number[]): Tensor {
  if (repeats.length !== x.shape.length)
    throw new OpError(`${repeats.length} repeats for rank ${x.shape.length}`);
  const strides = stridesOf(x.shape);
  // Each axis becomes (repeat, size) with stride 0 for the repeat.
  const pairs = gatherStrided(
    x,
    x.shape.flatMap((d, i) => [repeats[i]!, d]),
    strides.flatMap((s) => [0, s]),
  );
  return withShape(
    pairs,
    x.shape.map((d, i) => d * repeats[i]!),
  );
}

function depthToSpace(x: Tensor, b: number, mode: "DCR" | "CRD"): Tensor {
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  const deep = c / (b * b);
  const six = withShape(x, mode === "DCR" ? [n, b, b, deep, h, w] : [n, deep, b, b, h, w]);
  const moved = transpose(six, mode === "DCR" ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]);
  return withShape(moved, [n, deep, h * b, w * b]);
}

function spaceToDepth(x: Tensor, b: number): Tensor {
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  const moved = transpose(withShape(x, [n, c, h / b, b, w / b, b]), [0, 3, 5, 1, 2, 4]);
  return withShape(moved, [n, c * b * b, h / b, w / b]);
}

function range(start: Tensor, limit: Tensor, delta: Tensor, wide: boolean): Tensor {
  const { dtype } = start;
  const [a, b, d] = [scalar(start), scalar(limit), scalar(delta)];
  if (d === 0) throw new OpError("a range with delta 0");
  const count = Math.max(0, Math.ceil((b - a) / d));
  const data = allocate(dtype, count, wide);
  if (isBig(data)) for (let i = 0; i < count; i++) data[i] = BigInt(a + i * d);
  else for (let i = 0; i < count; i++) data[i] = a + i * d;
  return { dtype, shape: [count], data };
}

function trilu(x: Tensor, k: number, upper: boolean): Tensor {
  const rank = x.shape.length;
  const [rows, columns] = [x.shape[rank - 2], x.shape[rank - 1]];
  if (rows === undefined || columns === undefined) throw new OpError("trilu takes matrices");
  const data = like(x, x.data.length);
  const out: Tensor = { dtype: x.dtype, shape: x.shape, data };
  for (let row = 0, base = 0; base < data.length; base += columns, row = (row + 1) % rows) {
    const edge = clamp(upper ? row + k : row + k + 1, 0, columns);
    const [from, length] = upper ? [edge, columns - edge] : [0, edge];
    const side = { offset: base + from, strides: [1] };
    stridedCopy([length], { data: x.data, ...side }, { data, ...side });
  }
  return out;
}

function eyeLike(x: Tensor, k: number, dtype: Tensor["dtype"]): Tensor {
  const [rows = 0, columns = 0] = x.shape;
  const data = allocate(dtype, rows * columns);
  for (let r = Math.max(0, -k); r < rows && r + k < columns; r++) {
    if (isBig(data)) data[r * columns + r + k] = 1n;
    else data[r * columns + r + k] = 1;
  }
  return { dtype, shape: x.shape, data };
}

function filled(shape: readonly number[], dtype: Tensor["dtype"], value: number, wide: boolean): Tensor {
  const data = allocate(dtype, countOf(shape), wide);
  if (isBig(data)) data.fill(BigInt(value));
  else data.fill(value);
  return { dtype, shape, data };
}

/** Elements moved, repeated or made by their place. */
export const SHAPES: Section<"shapes"> = {
  shape: (x, { start, end }) => i64(x.tensor(0).shape.slice(start, end ?? undefined)),
  size: (x) => i64([x.tensor(0).data.length], []),
  reshape: (x, { allowZero }) => reshape(x.tensor(0), ints(x.tensor(1)), allowZero),
  expand: (x) => expand(x.tensor(0), ints(x.tensor(1))),
  squeeze: (x) => {
    const axes = x.optional(1);
    return squeeze(x.tensor(0), axes === null ? null : ints(axes));
  },
  unsqueeze: (x) => unsqueeze(x.tensor(0), ints(x.tensor(1))),
  flatten: (x, { axis }) => {
    const t = x.tensor(0);
    const at = axis < 0 ? axis + t.shape.length : axis;
    return withShape(t, [countOf(t.shape.slice(0, at)), countOf(t.shape.slice(at))]);
  },
  transpose: (x, { perm }) => transpose(x.tensor(0), perm),
  concat: (x, { axis }) => concat(x.tensors(), axis),
  split: (x, { axis }, c) => {
    const t = x.tensor(0);
    const sizes = x.optional(1);
    return split(t, axisOf(axis, t.shape.length), sizes === null ? null : ints(sizes), c.outputs);
  },
  slice: (x) => {
    const t = x.tensor(0);
    const starts = ints(x.tensor(1));
    const axes = x.optional(3);
    const steps = x.optional(4);
    const along = axes === null ? starts.map((_, i) => i) : axesOf(ints(axes), t.shape.length);
    return slice(t, starts, ints(x.tensor(2)), along, steps === null ? starts.map(() => 1) : ints(steps));
  },
  tile: (x) => tile(x.tensor(0), ints(x.tensor(1))),
  "constant-of-shape": (x, { value, dtype }, c) => filled(ints(x.tensor(0)), dtype, value, c.wide),
  range: (x, _, c) => range(x.tensor(0), x.tensor(1), x.tensor(2), c.wide),
  trilu: (x, { upper }) => {
    const k = x.optional(1);
    return trilu(x.tensor(0), k === null ? 0 : scalar(k), upper);
  },
  "eye-like": (x, { k, dtype }) => eyeLike(x.tensor(0), k, dtype ?? x.tensor(0).dtype),
  "depth-to-space": (x, { blockSize, mode }) => depthToSpace(x.tensor(0), blockSize, mode),
  "space-to-depth": (x, { blockSize }) => spaceToDepth(x.tensor(0), blockSize),
  part: (x, { axis, start, length }, c) => {
    const t = x.tensor(0);
    return part(t, axisOf(axis, t.shape.length), c.dim(start), c.dim(length));
  },
  pad: (x, { mode }) => {
    const t = x.tensor(0);
    const axes = x.optional(3);
    const along = axes === null ? t.shape.map((_, i) => i) : axesOf(ints(axes), t.shape.length);
    return pad(t, ints(x.tensor(1)), x.optional(2), along, mode);
  },
};
