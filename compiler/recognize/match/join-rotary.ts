import type { Dim } from "../../../ir/dim.js";
import type { ValueId } from "../../../ir/graph/graph.js";
import type { Rewriter } from "../../rewrite/rewriter.js";
import { type Channels, mapChannels } from "./channels.js";
import type { Expressions } from "./expressions.js";
import { joinTokens } from "./tokens.js";

/**
 *     concat(cos(f·a), cos(f·b)) = cos(f·concat(a, b))
 *
 * Rotary tables of text and image tokens that are computed apart: the same function of the ids of each, so the tables of
 * the joined ids. `axis` is that of the tokens in all parts. undefined where the functions differ.
 */
export function joinRotary(
  rewriter: Rewriter,
  e: Expressions,
  parts: readonly Channels[],
  axis: number,
  tokens: Dim,
): Channels | undefined {
  if (parts.some(({ rotary }) => !rotary)) return undefined;
  const roots: ValueId[] = [];
  for (const { channels } of parts) {
    const own = e.roots(channels);
    const [root] = own ?? [];
    if (root === undefined || own?.size !== 1) return undefined;
    roots.push(root);
  }
  const widths = new Set(roots.map((root) => rewriter.shape(root)?.at(-1)));
  const ranks = roots.map((root) => rewriter.shape(root)?.length ?? 0);
  const types = new Set(roots.map((root) => rewriter.dtype(root)));
  const [width] = widths;
  if (widths.size !== 1 || types.size !== 1 || typeof width !== "number" || ranks.some((rank) => rank < 2))
    return undefined;
  const joined = joinTokens(rewriter, roots, tokens);
  const leaves = e.leaves(joined, width);
  if (leaves === undefined) return undefined;
  const [joint, ...others] = parts.map((part) => mapChannels(part, (c) => e.withLeaves(c, leaves)));
  const same = (other: Channels | undefined) => other?.channels.every((c, i) => c === joint?.channels[i]);
  if (joint === undefined || !others.every(same)) return undefined;
  return { ...joint, shape: joint.shape.with(axis, tokens) };
}
