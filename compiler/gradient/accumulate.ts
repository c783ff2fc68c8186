import { addDims, type Dim, subDims } from "../../ir/dim.js";
import type { ValueId } from "../../ir/graph/graph.js";
import { atMost, compareDims } from "../../ir/ops/operands.js";
import type { Builder } from "./builder.js";
import type { Contribution, PartGradient } from "./rules.js";

/**
 * The sum of all that a value's readers add to its gradient. Parts that do not overlap become one concat, with zeros between
 * them, where padding each would write and add a whole value for every part.
 */
export function accumulate(
  b: Builder,
  of: ValueId,
  contributions: readonly Contribution[],
): ValueId | undefined {
  const whole = contributions.filter((c) => typeof c === "string");
  const layers: PartGradient[][] = [];
  for (const part of contributions.filter((c) => typeof c !== "string")) {
    const layer = layers.find((parts) => parts.every((other) => areApart(b, part, other)));
    if (layer === undefined) layers.push([part]);
    else layer.push(part);
  }
  const terms = [...whole, ...layers.map((parts) => joined(b, of, parts))];
  return terms.length === 0 ? undefined : terms.reduce((sum, term) => b.add(sum, term));
}

function endOf(b: Builder, { part, axis, start }: PartGradient): Dim {
  return addDims(start, b.shape(part)[axis] ?? 1);
}

function areApart(b: Builder, one: PartGradient, other: PartGradient): boolean {
  if (one.axis !== other.axis) return false;
  return atMost(endOf(b, one), other.start) || atMost(endOf(b, other), one.start);
}

/** Parts of one axis that are apart, as one value of the shape of `of`. */
function joined(b: Builder, of: ValueId, parts: readonly PartGradient[]): ValueId {
  const sorted = [...parts].sort((x, y) => compareDims(x.start, y.start) ?? 0);
  const axis = sorted[0]?.axis ?? 0;
  const shape = b.shape(of);
  const pieces: ValueId[] = [];
  let at: Dim = 0;
  const fillUntil = (end: Dim) => {
    const gap = subDims(end, at);
    if (gap !== 0)
      pieces.push(
        b.fill(
          0,
          shape.map((size, i) => (i === axis ? gap : size)),
          of,
        ),
      );
  };
  for (const part of sorted) {
    fillUntil(part.start);
    pieces.push(part.part);
    at = endOf(b, part);
  }
  fillUntil(shape[axis] ?? 1);
  return b.concat(pieces, axis);
}
