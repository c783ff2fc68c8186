import { COMPARISONS, type UnaryFn } from "./index.js";
import { type InferRules, sameAsFirst, tensor } from "./rules.js";

const TO_BOOL: ReadonlySet<UnaryFn> = new Set(["is-inf", "is-nan", "not"]);

export const ELEMENTWISE: InferRules<
  | "unary"
  | "binary"
  | "where"
  | "cast"
  | "leaky-relu"
  | "elu"
  | "celu"
  | "selu"
  | "hard-sigmoid"
  | "thresholded-relu"
  | "shrink"
  | "prelu"
  | "silu"
  | "gelu"
> = {
  unary: (o, { fn }) => tensor(TO_BOOL.has(fn) ? "bool" : o.dtype(0), o.shape(0)),
  binary: (o, { fn }) =>
    tensor(COMPARISONS.has(fn) ? "bool" : o.dtype(0), o.broadcast(o.shape(0), o.shape(1))),
  where: (o) => tensor(o.dtype(1), o.broadcast(o.shape(0), o.shape(1), o.shape(2))),
  cast: (o, { to }) => tensor(to, o.shape(0)),
  "leaky-relu": sameAsFirst,
  elu: sameAsFirst,
  celu: sameAsFirst,
  selu: sameAsFirst,
  "hard-sigmoid": sameAsFirst,
  "thresholded-relu": sameAsFirst,
  shrink: sameAsFirst,
  prelu: sameAsFirst,
  silu: sameAsFirst,
  gelu: sameAsFirst,
};
