import { takesWinograd } from "../../../ir/families/image-conv.js";
import type { NodeOf } from "../../../ir/graph/graph.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { repeatedArg, rowsArg, rowsOf } from "../operand.js";
import { fixed, wholeVector } from "../rows.js";
import type { Section } from "../rules.js";
import { denseMatrix } from "./linears.js";

/** Pictures whose pixels are rows of channels. */
export const images: Section<"images"> = { "image-conv": lowerImageConv };

function lowerImageConv(l: Lowering, node: NodeOf<"image-conv">): void {
  const { stride, upsample } = node.attrs;
  const [top = 0, left = 0] = node.attrs.pads;
  const [x, bias, residual, out] = [
    l.input(node, 0),
    l.optional(node, 2),
    l.optional(node, 3),
    l.output(node),
  ];
  const [batch, height = 1, width = 1, channels = 1] = x.shape;
  const [, outHeight = 1, outWidth = 1] = out.shape;
  if (batch !== 1) throw new UnsupportedOp("a convolution of a batch");
  const id = node.inputs[1];
  const constant = typeof id === "string" ? l.graph.constants.get(id) : undefined;
  const [n, kernelY, kernelX] = constant?.shape ?? [];
  if (typeof id !== "string" || constant === undefined || !n || !kernelY || !kernelX)
    throw new UnsupportedOp("filters that are no constant");
  const c = fixed(channels);
  const isTransformed = l.draft.target.winograd && takesWinograd({ c, kernelY, kernelX, stride });
  const form = isTransformed ? ({ winograd: true } as const) : {};
  const weights = denseMatrix(l, id, constant, n, kernelY * kernelX * c, form);
  const rows = rowsOf(out.shape);
  const isPlain = kernelY * kernelX * stride * upsample === 1 && node.attrs.pads.every((pad) => pad === 0);
  if (isPlain && residual === null) {
    l.launch({
      family: "dense-gemm",
      params: { n, k: c, activation: "none", bias: bias !== null, gated: false, ...l.plan.products },
      rows,
      args: [rowsArg(x), weights, ...wholeVector(bias, n), rowsArg(out)],
    });
    return;
  }
  l.launch({
    family: "image-conv",
    params: {
      ...{ n, c, kernelY, kernelX, stride, top, left, upsample },
      ...form,
      ...l.plan.products,
      bias: bias !== null,
      residual: residual !== null,
    },
    rows,
    args: [
      rowsArg(x),
      weights,
      ...(bias === null ? [] : [repeatedArg(bias)]),
      ...(residual === null ? [] : [rowsArg(residual)]),
      rowsArg(out),
    ],
    scalars: [height, width, outHeight, outWidth, 0],
  });
}
