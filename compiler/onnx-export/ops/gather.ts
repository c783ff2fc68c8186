import type { ScatterReduction } from "../../../ir/ops/gather.js";
import type { Section } from "../operands.js";
import type { Attributes } from "../writer.js";

function reduction(word: ScatterReduction): Attributes {
  return { reduction: { string: word } };
}

/** Reading and writing by index. */
export const gather: Section<"gather"> = {
  gather: (n, { axis }) => n.op("Gather", n.rest(), { axis: { int: axis } }),
  "gather-elements": (n, { axis }) => n.op("GatherElements", n.rest(), { axis: { int: axis } }),
  "gather-nd": (n, { batchDims }) => n.op("GatherND", n.rest(), { batch_dims: { int: batchDims } }),
  "scatter-elements": (n, attrs) =>
    n.op("ScatterElements", n.rest(), { axis: { int: attrs.axis }, ...reduction(attrs.reduction) }),
  "scatter-nd": (n, attrs) => n.op("ScatterND", n.rest(), reduction(attrs.reduction)),
  nonzero: (n) => n.op("NonZero", [n.input(0)]),
  "one-hot": (n, { axis }) => n.op("OneHot", n.rest(), { axis: { int: axis } }),
  compress: (n, { axis }) => n.op("Compress", n.rest(), axis === null ? {} : { axis: { int: axis } }),
};
