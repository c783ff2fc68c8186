import { addDims, type Dim, type Shape } from "../../../ir/dim.js";
import { countOf } from "../../../ir/tensor.js";
import type { Expr } from "./expressions.js";

/**
 * A value seen as one token's channels: every token has the same expressions. `channels` is row-major over
 * `shape` with the token axis taken as size 1; all other axes have known sizes.
 */
export interface Channels {
  readonly kind: "channels";
  readonly shape: Shape;
  /** The axis that runs over tokens; null for constants and rows that every token shares. */
  readonly token: number | null;
  readonly channels: Int32Array;
  /** Whether cosines or sines occur. */
  readonly rotary: boolean;
}

/** Most channels a token may have: about six times the widest FLUX linear. */
export const MAX_CHANNELS = (1 << 17) - 1;

/** Tokens of a value. */
export function tokensOf(x: Channels): Dim {
  return x.token === null ? 1 : (x.shape[x.token] ?? 1);
}

/** Axis sizes with the token axis as 1; undefined if another axis has no known size or there are too many. */
export function channelSizes(shape: Shape, token: number | null): number[] | undefined {
  const sizes: number[] = [];
  let count = 1;
  for (const [axis, dim] of shape.entries()) {
    const size = axis === token ? 1 : dim;
    if (typeof size !== "number") return undefined;
    sizes.push(size);
    count *= size;
  }
  return count > MAX_CHANNELS ? undefined : sizes;
}

/** Sizes of the axes of `channels`: the token axis counts as 1. */
export function sizesOf(x: Channels): number[] {
  return x.shape.map((d, axis) => (axis === x.token ? 1 : Number(d)));
}

/** Elements from one entry of each axis to the next, row-major. */
export function strides(sizes: readonly number[]): number[] {
  const result = new Array<number>(sizes.length).fill(1);
  for (let axis = sizes.length - 2; axis >= 0; axis--) {
    result[axis] = (result[axis + 1] ?? 1) * (sizes[axis + 1] ?? 1);
  }
  return result;
}

/** Gathers `source` into an array of `sizes`; the index along each axis contributes `offset(axis, i)`. */
function gatherChannels(
  source: Int32Array,
  sizes: readonly number[],
  offset: (axis: number, i: number) => number,
): Int32Array {
  const out = new Int32Array(countOf(sizes));
  const fill = (axis: number, from: number, at: number): number => {
    if (axis === sizes.length) {
      out[at] = source[from] ?? 0;
      return at + 1;
    }
    let next = at;
    for (let i = 0; i < (sizes[axis] ?? 1); i++) next = fill(axis + 1, from + offset(axis, i), next);
    return next;
  };
  fill(0, 0, 0);
  return out;
}

/** The same channels in another shape; the token axis must stay an axis of its own. */
export function reshapeChannels(x: Channels, shape: Shape): Channels | undefined {
  if (x.token === null) {
    const sizes = channelSizes(shape, null);
    return sizes === undefined || countOf(sizes) !== x.channels.length ? undefined : { ...x, shape };
  }
  const tokens = x.shape[x.token];
  const before = countOf(sizesOf(x).slice(0, x.token));
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] !== tokens) continue;
    const sizes = channelSizes(shape, axis);
    if (sizes === undefined || countOf(sizes) !== x.channels.length) continue;
    if (countOf(sizes.slice(0, axis)) === before) return { ...x, shape, token: axis };
  }
  // A single token may lose its axis.
  return tokens === 1 ? reshapeChannels({ ...x, token: null }, shape) : undefined;
}

/** The value with axis i taken from axis perm[i]. */
export function transposeChannels(x: Channels, perm: readonly number[]): Channels {
  const sizes = sizesOf(x);
  const steps = strides(sizes);
  const channels = gatherChannels(
    x.channels,
    perm.map((axis) => sizes[axis] ?? 1),
    (axis, i) => i * (steps[perm[axis] ?? 0] ?? 0),
  );
  const token = x.token === null ? null : perm.indexOf(x.token);
  return { ...x, shape: perm.map((axis) => x.shape[axis] ?? 1), token, channels };
}

/** The entries of one channel axis listed in `picks`. */
export function pickChannels(x: Channels, axis: number, picks: readonly number[]): Channels {
  const sizes = sizesOf(x);
  const steps = strides(sizes);
  const channels = gatherChannels(
    x.channels,
    sizes.map((size, a) => (a === axis ? picks.length : size)),
    (a, i) => (a === axis ? (picks[i] ?? 0) : i) * (steps[a] ?? 0),
  );
  const shape = x.shape.map((d, a) => (a === axis ? picks.length : d));
  return { ...x, shape, channels };
}

/** Broadcasts to a shape with the token axis where it comes to lie; undefined if that is no channel shape. */
export function expandChannels(x: Channels, shape: Shape): Channels | undefined {
  const shift = shape.length - x.shape.length;
  if (shift < 0) return undefined;
  let token = x.token === null || tokensOf(x) === 1 ? null : x.token + shift;
  for (const [axis, dim] of shape.entries()) {
    const from = axis < shift ? 1 : x.shape[axis - shift];
    if (axis === token || dim === from) continue;
    if (from !== 1) return undefined;
    // A row that becomes a row per token.
    if (typeof dim === "string" && token === null) token = axis;
    else if (typeof dim === "string") return undefined;
  }
  const sizes = channelSizes(shape, token);
  if (sizes === undefined) return undefined;
  const own = sizesOf(x);
  const steps = strides(own);
  const channels = gatherChannels(x.channels, sizes, (axis, i) =>
    axis < shift || own[axis - shift] === 1 ? 0 : i * (steps[axis - shift] ?? 0),
  );
  return { ...x, shape, token, channels };
}

/** Concatenates along a channel axis. */
export function concatChannels(parts: readonly Channels[], axis: number): Channels | undefined {
  const first = parts.find((p) => p.token !== null && tokensOf(p) !== 1) ?? parts[0];
  if (first === undefined) return undefined;
  const { token } = first;
  if (axis === token) return undefined;
  const tokens = tokensOf(first);
  const sizes = sizesOf(first);
  const outer = countOf(sizes.slice(0, axis));
  let width: Dim = 0;
  for (const part of parts) {
    const single = tokens === 1 && tokensOf(part) === 1;
    if (!single && (part.token !== token || tokensOf(part) !== tokens)) return undefined;
    const own = sizesOf(part);
    if (own.length !== sizes.length || own.some((s, a) => a !== axis && s !== sizes[a])) return undefined;
    width = addDims(width, own[axis] ?? 1);
  }
  const total = parts.reduce((n, p) => n + p.channels.length, 0);
  if (total > MAX_CHANNELS) return undefined;
  const channels = new Int32Array(total);
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const part of parts) {
      const run = part.channels.length / outer;
      channels.set(part.channels.subarray(o * run, (o + 1) * run), at);
      at += run;
    }
  }
  const shape = first.shape.map((d, a) => (a === axis ? width : d));
  return { kind: "channels", shape, token, channels, rotary: parts.some((p) => p.rotary) };
}

/** Applies a function to every channel; undefined as soon as one gives undefined. */
export function mapChannels(x: Channels, f: (e: Expr) => Expr | undefined): Channels | undefined {
  const channels = new Int32Array(x.channels.length);
  for (let i = 0; i < channels.length; i++) {
    const value = f(x.channels[i] ?? 0);
    if (value === undefined) return undefined;
    channels[i] = value;
  }
  return { ...x, channels };
}

/** Elementwise operation with broadcasting. */
export function zipChannels(
  a: Channels,
  b: Channels,
  shape: Shape,
  f: (x: Expr, y: Expr) => Expr | undefined,
): Channels | undefined {
  const token = broadcastToken(a, b, shape.length);
  if (token === undefined) return undefined;
  const sizes = channelSizes(shape, token);
  if (sizes === undefined) return undefined;
  const [left, right] = [a, b].map((x) => {
    const shift = shape.length - x.shape.length;
    const own = sizesOf(x);
    const steps = strides(own);
    return gatherChannels(x.channels, sizes, (axis, i) =>
      axis < shift || own[axis - shift] === 1 ? 0 : i * (steps[axis - shift] ?? 0),
    );
  });
  if (left === undefined || right === undefined) return undefined;
  const result: Channels = { kind: "channels", shape, token, channels: left, rotary: a.rotary || b.rotary };
  let i = 0;
  return mapChannels(result, (x) => f(x, right[i++] ?? 0));
}

/** The token axis of a broadcast result, or undefined if the operands' token axes do not fall together. */
function broadcastToken(a: Channels, b: Channels, rank: number): number | null | undefined {
  const place = (x: Channels) =>
    x.token === null || tokensOf(x) === 1 ? null : x.token + rank - x.shape.length;
  const [p, q] = [place(a), place(b)];
  if (p !== null && q !== null) return p === q && tokensOf(a) === tokensOf(b) ? p : undefined;
  if (p === null && q === null) {
    const single = a.token === null ? b : a;
    return single.token === null ? null : single.token + rank - single.shape.length;
  }
  const [at, other] = p === null ? [q, a] : [p, b];
  if (at === null || at === undefined) return null;
  // The operand without tokens must not have channels where the other has tokens.
  const axis = at - (rank - other.shape.length);
  return axis < 0 || sizesOf(other)[axis] === 1 ? at : undefined;
}
