import { ATTENTION, CONTRIB } from "./attention.js";
import type { OperatorCase } from "./case.js";
import { ELEMENTWISE } from "./elementwise.js";
import { LINEAR } from "./linear.js";
import { NORMS } from "./norms.js";
import { QUANTIZED } from "./quantized.js";
import { SELECTIONS, SHAPES } from "./shapes.js";

export type { OperatorCase } from "./case.js";

/** Cases of every ONNX operator with operands of random numbers, by kind. */
export const OPERATOR_CASES: Readonly<Record<string, readonly OperatorCase[]>> = {
  elementwise: ELEMENTWISE,
  shapes: SHAPES,
  selections: SELECTIONS,
  "reductions and norms": NORMS,
  "linear algebra and images": LINEAR,
  "weight-only quantization": QUANTIZED,
  attention: ATTENTION,
  "ONNX Runtime's own": CONTRIB,
};
