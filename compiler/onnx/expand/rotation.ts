import type { ValueId } from "../../../ir/graph/graph.js";
import type { Operation } from "../operation.js";

export interface Rotation {
  readonly interleaved: boolean;
  /** Axis of the head in x; −1 of x is the channels. */
  readonly headAxis: 1 | 2;
  /** Leading channels that are rotated; 0: all. */
  readonly channels: number;
}

/** Rotates pairs of channels of 4-D x by cos and sin of [B, S, D/2]. */
export function rotate(n: Operation, x: ValueId, cos: ValueId, sin: ValueId, rotation: Rotation): ValueId {
  const { channels } = rotation;
  if (channels > 0) {
    const slice = (from: number, to: number | bigint) =>
      n.emit("slice", [x, n.i64([from]), n.i64([to]), n.i64([-1]), n.i64([1])], {});
    const rotated = rotate(n, slice(0, channels), cos, sin, { ...rotation, channels: 0 });
    return n.emit("concat", [rotated, slice(channels, 2n ** 63n - 1n)], { axis: -1 });
  }
  const type = { dtype: n.dtype(x), shape: null };
  const table = (t: ValueId) => n.emit("unsqueeze", [n.cast(t, type.dtype), n.i64([rotation.headAxis])], {});
  const c = table(cos);
  const s = table(sin);
  const turn = (a: ValueId | undefined, b: ValueId | undefined) => {
    if (a === undefined || b === undefined) throw new Error("a split in two has two parts");
    const times = (v: ValueId, t: ValueId) => n.emit("binary", [v, t], { fn: "mul" });
    return [
      n.emit("binary", [times(a, c), times(b, s)], { fn: "sub" }),
      n.emit("binary", [times(a, s), times(b, c)], { fn: "add" }),
    ];
  };
  if (!rotation.interleaved) {
    const [a, b] = n.emitAll("split", [x], { axis: -1 }, [type, type]);
    return n.emit("concat", turn(a, b), { axis: -1 });
  }
  const pairs = n.emit("reshape", [x, n.i64([0, 0, 0, -1, 2])], { allowZero: false });
  const parts = n.emitAll("split", [pairs], { axis: -1 }, [type, type]);
  const [a, b] = parts.map((part) => n.emit("squeeze", [part, n.i64([-1])], {}));
  const turned = turn(a, b).map((part) => n.emit("unsqueeze", [part, n.i64([-1])], {}));
  const joined = n.emit("concat", turned, { axis: -1 });
  return n.emit("reshape", [joined, n.i64([0, 0, 0, -1])], { allowZero: false });
}
