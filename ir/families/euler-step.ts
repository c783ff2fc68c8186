import { rowArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { size, type ValuesOf } from "./contract/params.js";

const params = { c: size };
export type EulerStepParams = ValuesOf<typeof params>;

/** x += dt·v over rows of `c` channels in f32; dt[1] is sigma[i+1] − sigma[i], selected by the step. */
export const eulerStep = defineFamily({
  params,
  args: ({ c }) => [rowArg("x", "f32", c, "read-write"), rowArg("v", "f32", c), wholeArg("dt", "f32", 1)],
  operations: perResult(2),
});

export const eulerStepSignature = eulerStep.signature;
