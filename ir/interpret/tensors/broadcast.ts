import { countOf } from "../../tensor.js";
import { OpError, stridesOf } from "../value.js";

/** The common shape under ONNX (NumPy) broadcasting. */
export function broadcastShapes(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let i = 0; i < shape.length; i++) {
      const axis = rank - shape.length + i;
      const d = shape[i]!;
      if (d === 1 || d === out[axis]) continue;
      if (out[axis] !== 1)
        throw new OpError(`shapes ${shapes.map((s) => `[${s.join(", ")}]`).join(" and ")} don't broadcast`);
      out[axis] = d;
    }
  }
  return out;
}

/** Strides that read `shape` as if it had been broadcast to `target`. */
export function broadcastStrides(shape: readonly number[], target: readonly number[]): number[] {
  const own = stridesOf(shape);
  return target.map((_, axis) => {
    const at = axis - target.length + shape.length;
    return at < 0 || shape[at] === 1 ? 0 : own[at]!;
  });
}

/**
 * Iteration over broadcast operands: calls `row` once per run of `inner` elements with each operand's offset and
 * constant inner strides (0 or 1 for dense operands). The output is dense.
 */
export interface BroadcastPlan {
  readonly shape: readonly number[];
  readonly count: number;
  readonly inner: number;
  /** Inner stride per operand. */
  readonly steps: readonly number[];
  /** Offsets of each operand at each run: operand-major arrays of `count / inner` entries. */
  readonly offsets: readonly Int32Array[];
}

/** How to walk operands of these shapes in step, over the shape they broadcast to. */
export function planBroadcast(shapes: readonly (readonly number[])[]): BroadcastPlan {
  const shape = broadcastShapes(...shapes);
  const count = countOf(shape);
  const strides = shapes.map((s) => broadcastStrides(s, shape));
  const sizes: number[] = [];
  const merged: number[][] = shapes.map(() => []);
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    if (last >= 0 && merged.every((m, k) => m[last] === strides[k]![axis]! * size)) {
      sizes[last] = sizes[last]! * size;
      merged.forEach((m, k) => {
        m[last] = strides[k]![axis]!;
      });
    } else {
      sizes.push(size);
      merged.forEach((m, k) => {
        m.push(strides[k]![axis]!);
      });
    }
  });
  const inner = sizes.pop() ?? 1;
  const steps = merged.map((m) => m.pop() ?? 0);
  const runs = inner === 0 ? 0 : count / inner;
  const offsets = merged.map((m) => runOffsets(sizes, m, runs));
  return { shape, count, inner, steps, offsets };
}

function runOffsets(sizes: readonly number[], strides: readonly number[], runs: number): Int32Array {
  const out = new Int32Array(runs);
  const index = new Array<number>(sizes.length).fill(0);
  let at = 0;
  for (let run = 0; run < runs; run++) {
    out[run] = at;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      index[axis] = 0;
      at -= strides[axis]! * sizes[axis]!;
    }
  }
  return out;
}
