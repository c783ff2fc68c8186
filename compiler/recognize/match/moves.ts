import type { Shape } from "../../../ir/dim.js";
import type { Node, NodeOf } from "../../../ir/graph/graph.js";
import type { Rewriter } from "../../rewrite/rewriter.js";
import { type Channels, channelSizes, MAX_CHANNELS, pickChannels, reshapeChannels } from "./channels.js";

/** Repeats whole channel axes until they have the sizes of `shape`. */
export function tileChannels(value: Channels, shape: Shape): Channels | undefined {
  if (channelSizes(shape, value.token) === undefined) return undefined;
  let result = value;
  for (const [axis, dim] of shape.entries()) {
    const size = result.shape[axis];
    if (axis === result.token || dim === size) {
      if (dim !== size) return undefined;
      continue;
    }
    if (typeof dim !== "number" || typeof size !== "number") return undefined;
    result = pickChannels(
      result,
      axis,
      Array.from({ length: dim }, (_, i) => i % size),
    );
  }
  return result;
}

/** Slices with constant starts and steps, of channel axes; `shape` is that of the result. */
export function sliceChannels(
  rewriter: Rewriter,
  node: Node,
  value: Channels,
  shape: Shape,
): Channels | undefined {
  const operand = (index: number) => {
    const id = rewriter.input(node, index);
    return id === undefined ? undefined : rewriter.numbers(id, 16);
  };
  const starts = operand(1);
  if (starts === undefined) return undefined;
  const axes = node.inputs[3] == null ? starts.map((_, i) => i) : operand(3);
  const steps = node.inputs[4] == null ? starts.map(() => 1) : operand(4);
  if (axes === undefined || steps === undefined) return undefined;
  let result = value;
  for (const [i, from] of starts.entries()) {
    const rank = shape.length;
    const axis = ((axes[i] ?? 0) + rank) % rank;
    const length = shape[axis];
    const size = value.shape[axis];
    const step = steps[i] ?? 1;
    if (axis === value.token) {
      if (length !== size || step !== 1) return undefined;
      continue;
    }
    if (typeof length !== "number" || typeof size !== "number") return undefined;
    const low = from < 0 ? from + size : from;
    const first = step > 0 ? Math.max(0, low) : Math.min(size - 1, low);
    result = pickChannels(
      result,
      axis,
      Array.from({ length }, (_, k) => first + k * step),
    );
  }
  return result;
}

/** Entries of a channel axis by constant indices. */
export function gatherEntries(
  rewriter: Rewriter,
  node: NodeOf<"gather">,
  value: Channels,
  shape: Shape,
): Channels | undefined {
  const indices = rewriter.input(node, 1);
  const picks = indices === undefined ? undefined : rewriter.numbers(indices, MAX_CHANNELS);
  if (picks === undefined) return undefined;
  const axis = node.attrs.axis < 0 ? node.attrs.axis + value.shape.length : node.attrs.axis;
  const size = value.shape[axis];
  if (axis === value.token || typeof size !== "number") return undefined;
  if (value.channels.length * picks.length > size * MAX_CHANNELS) return undefined;
  const picked = pickChannels(
    value,
    axis,
    Array.from(picks, (i) => (i < 0 ? i + size : i)),
  );
  return reshapeChannels(picked, shape);
}
