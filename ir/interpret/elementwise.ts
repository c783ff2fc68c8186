import { convertData } from "../constant/convert.js";
import { geluErf, geluTanh, silu } from "./tensors/activations.js";
import { binary, prelu, where } from "./tensors/binary.js";
import { mapFloats, unary } from "./tensors/unary.js";
import type { Section } from "./value.js";

/** One element of the result from one of each operand. */
export const ELEMENTWISE: Section<"elementwise"> = {
  unary: (x, { fn }, c) => unary(x.tensor(0), fn, c),
  "leaky-relu": (x, { alpha }, c) => mapFloats(x.tensor(0), c, (v) => (v < 0 ? alpha * v : v)),
  elu: (x, { alpha }, c) => mapFloats(x.tensor(0), c, (v) => (v < 0 ? alpha * Math.expm1(v) : v)),
  celu: (x, { alpha }, c) =>
    mapFloats(x.tensor(0), c, (v) => Math.max(0, v) + Math.min(0, alpha * Math.expm1(v / alpha))),
  selu: (x, { alpha, gamma }, c) =>
    mapFloats(x.tensor(0), c, (v) => gamma * (v > 0 ? v : alpha * Math.expm1(v))),
  "hard-sigmoid": (x, { alpha, beta }, c) =>
    mapFloats(x.tensor(0), c, (v) => Math.max(0, Math.min(1, alpha * v + beta))),
  "thresholded-relu": (x, { alpha }, c) => mapFloats(x.tensor(0), c, (v) => (v > alpha ? v : 0)),
  shrink: (x, { bias, lambd }, c) =>
    mapFloats(x.tensor(0), c, (v) => (v < -lambd ? v + bias : v > lambd ? v - bias : 0)),
  binary: (x, { fn }, c) => binary(x.tensor(0), x.tensor(1), fn, c),
  where: (x, _, c) => where(x.tensor(0), x.tensor(1), x.tensor(2), c),
  cast: (x, { to }, c) => {
    const { dtype, shape, data } = x.tensor(0);
    return { dtype: to, shape, data: convertData(data, dtype, to, c.wide) };
  },
  prelu: (x, _, c) => prelu(x.tensor(0), x.tensor(1), c),
  silu: (x, _, c) => mapFloats(x.tensor(0), c, silu),
  swiglu: (x, _, c) => binary(mapFloats(x.tensor(0), c, silu), x.tensor(1), "mul", c),
  gelu: (x, { approximate }, c) => mapFloats(x.tensor(0), c, approximate === "tanh" ? geluTanh : geluErf),
};
