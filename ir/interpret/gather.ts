import { isBig } from "../constant/convert.js";
import type { ScatterReduction } from "../ops/gather.js";
import { allocate, countOf, type Tensor, type TensorData } from "../tensor.js";
import { widen } from "./shapes.js";
import { gatherBlocks, scatterBlocks } from "./tensors/copy.js";
import { around, axisOf, i64, ints, like, OpError, type Section, scalar, stridesOf } from "./value.js";

/** Indices in [0, size): negative ones count from the end. */
function indicesOf(t: Tensor, size: number): Int32Array {
  const out = new Int32Array(t.data.length);
  for (let i = 0; i < out.length; i++) {
    const index = Number(t.data[i]!);
    if (!(index >= -size && index < size))
      throw new OpError(`index ${index} is outside an axis of size ${size}`);
    out[i] = index < 0 ? index + size : index;
  }
  return out;
}

function gather(x: Tensor, indices: Tensor, axis: number): Tensor {
  const at = axisOf(axis, x.shape.length);
  const { outer, size, inner } = around(x.shape, at);
  const picks = indicesOf(indices, size);
  const blocks = new Float64Array(outer * picks.length);
  for (let o = 0, k = 0; o < outer; o++) for (const pick of picks) blocks[k++] = o * size + pick;
  const shape = [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)];
  const data = like(x, countOf(shape));
  gatherBlocks(x.data, blocks, inner, data);
  return { dtype: x.dtype, shape, data };
}

/** Flat element of x that each entry of an index tensor of x's rank names along `axis`. */
function elementsAlong(x: Tensor, indices: Tensor, axis: number): Float64Array {
  const at = axisOf(axis, x.shape.length);
  const rank = x.shape.length;
  if (indices.shape.length !== rank)
    throw new OpError(`indices of rank ${indices.shape.length} for rank ${rank}`);
  const picks = indicesOf(indices, x.shape[at]!);
  const strides = stridesOf(x.shape);
  const own = stridesOf(indices.shape);
  const out = new Float64Array(picks.length);
  for (let i = 0; i < picks.length; i++) {
    let offset = picks[i]! * strides[at]!;
    for (let a = 0; a < rank; a++)
      if (a !== at) offset += (Math.floor(i / own[a]!) % indices.shape[a]!) * strides[a]!;
    out[i] = offset;
  }
  return out;
}

function gatherElements(x: Tensor, indices: Tensor, axis: number): Tensor {
  const data = like(x, indices.data.length);
  gatherBlocks(x.data, elementsAlong(x, indices, axis), 1, data);
  return { dtype: x.dtype, shape: indices.shape, data };
}

/** Block of x that each index tuple names, in blocks of the axes that the tuples leave. */
function blocksOf(x: Tensor, indices: Tensor, batchDims: number): { blocks: Float64Array; inner: number } {
  const depth = indices.shape[indices.shape.length - 1] ?? 0;
  const used = batchDims + depth;
  if (used > x.shape.length) throw new OpError(`index tuples of ${depth} for rank ${x.shape.length}`);
  const inner = countOf(x.shape.slice(used));
  const tuples = countOf(indices.shape.slice(0, -1));
  const batches = countOf(x.shape.slice(0, batchDims));
  const perBatch = tuples / batches;
  const flat = ints(indices);
  const blocks = new Float64Array(tuples);
  for (let t = 0; t < tuples; t++) {
    let block = batchDims === 0 ? 0 : Math.floor(t / perBatch);
    for (let d = 0; d < depth; d++) {
      const size = x.shape[batchDims + d]!;
      const index = flat[t * depth + d]!;
      if (!(index >= -size && index < size))
        throw new OpError(`index ${index} is outside an axis of size ${size}`);
      block = block * size + (index < 0 ? index + size : index);
    }
    blocks[t] = block;
  }
  return { blocks, inner };
}

function gatherNd(x: Tensor, indices: Tensor, batchDims: number): Tensor {
  const { blocks, inner } = blocksOf(x, indices, batchDims);
  const depth = indices.shape[indices.shape.length - 1] ?? 0;
  const data = like(x, blocks.length * inner);
  gatherBlocks(x.data, blocks, inner, data);
  return {
    dtype: x.dtype,
    shape: [...indices.shape.slice(0, -1), ...x.shape.slice(batchDims + depth)],
    data,
  };
}

function scatter(
  x: Tensor,
  updates: Tensor,
  blocks: Float64Array,
  inner: number,
  reduction: ScatterReduction,
): Tensor {
  const wide = x.data instanceof Float64Array || updates.data instanceof Float64Array;
  const data = widen(x, wide).data.slice();
  if (reduction === "none") scatterBlocks(widen(updates, wide).data, blocks, inner, data);
  else accumulate(data, updates.data, blocks, inner, reduction);
  return { dtype: x.dtype, shape: x.shape, data };
}

function accumulate(
  out: TensorData,
  updates: TensorData,
  blocks: Float64Array,
  inner: number,
  reduction: Exclude<ScatterReduction, "none">,
): void {
  for (let i = 0; i < blocks.length * inner; i++) {
    const at = blocks[Math.floor(i / inner)]! * inner + (i % inner);
    if (isBig(out) && isBig(updates)) {
      const [a, b] = [out[at]!, updates[i]!];
      out[at] = { add: a + b, mul: a * b, max: a > b ? a : b, min: a < b ? a : b }[reduction];
    } else if (!isBig(out) && !isBig(updates)) {
      const [a, b] = [out[at]!, updates[i]!];
      if (reduction === "add") out[at] = a + b;
      else if (reduction === "mul") out[at] = a * b;
      else out[at] = reduction === "max" ? Math.max(a, b) : Math.min(a, b);
    }
  }
}

function nonzero(x: Tensor): Tensor {
  const found: number[] = [];
  for (let i = 0; i < x.data.length; i++) if (Number(x.data[i]) !== 0) found.push(i);
  const strides = stridesOf(x.shape);
  const rows = x.shape.map((d, axis) => found.map((i) => Math.floor(i / strides[axis]!) % d));
  return i64(rows.flat(), [x.shape.length, found.length]);
}

function oneHot(indices: Tensor, depth: number, values: Tensor, axis: number): Tensor {
  const rank = indices.shape.length + 1;
  const at = axisOf(axis, rank);
  const shape = [...indices.shape.slice(0, at), depth, ...indices.shape.slice(at)];
  const { outer, inner } = around(shape, at);
  const data = allocate(values.dtype, countOf(shape), values.data instanceof Float64Array);
  const [off, on] = [values.data[0]!, values.data[1]!];
  const put = (i: number, v: number | bigint) => {
    if (isBig(data)) data[i] = BigInt(v);
    else data[i] = Number(v);
  };
  for (let i = 0; i < data.length; i++) put(i, off);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const index = Number(indices.data[o * inner + i]!);
      const hot = index < 0 ? index + depth : index;
      if (hot >= 0 && hot < depth) put((o * depth + hot) * inner + i, on);
    }
  }
  return { dtype: values.dtype, shape, data };
}

function compress(x: Tensor, condition: Tensor, axis: number | null): Tensor {
  const flat = axis === null ? { ...x, shape: [x.data.length] } : x;
  const picks: number[] = [];
  for (let i = 0; i < condition.data.length; i++) if (Number(condition.data[i]) !== 0) picks.push(i);
  return gather(flat, i64(picks), axis ?? 0);
}

export const GATHER: Section<"gather"> = {
  gather: (x, { axis }) => gather(x.tensor(0), x.tensor(1), axis),
  "gather-elements": (x, { axis }) => gatherElements(x.tensor(0), x.tensor(1), axis),
  "gather-nd": (x, { batchDims }) => gatherNd(x.tensor(0), x.tensor(1), batchDims),
  "scatter-elements": (x, { axis, reduction }) => {
    const [t, indices] = [x.tensor(0), x.tensor(1)];
    return scatter(t, x.tensor(2), elementsAlong(t, indices, axis), 1, reduction);
  },
  "scatter-nd": (x, { reduction }) => {
    const t = x.tensor(0);
    const { blocks, inner } = blocksOf(t, x.tensor(1), 0);
    return scatter(t, x.tensor(2), blocks, inner, reduction);
  },
  nonzero: (x) => nonzero(x.tensor(0)),
  "one-hot": (x, { axis }) => oneHot(x.tensor(0), scalar(x.tensor(1)), x.tensor(2), axis),
  compress: (x, { axis }) => compress(x.tensor(0), x.tensor(1), axis),
};
