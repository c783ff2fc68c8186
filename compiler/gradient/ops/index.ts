import type { OpName } from "../../../ir/ops/index.js";
import type { Rules } from "../rules.js";
import { attention } from "./attention.js";
import { elementwise } from "./elementwise.js";
import { linalg } from "./linalg.js";
import { linears } from "./linears.js";
import { modulation } from "./modulation.js";
import { norms } from "./norms.js";
import { reductions } from "./reductions.js";
import { shapes } from "./shapes.js";

/** The gradients of operations: those of a recognized transformer, and of what losses and optimizers are written in. */
export const RULES: Rules<OpName> = {
  ...attention,
  ...elementwise,
  ...linalg,
  ...linears,
  ...modulation,
  ...norms,
  ...reductions,
  ...shapes,
};
