import type { Activation } from "../../ir/ops/linears.js";
import type { Operands } from "./operands.js";
import type { Name } from "./writer.js";

/** x·sigmoid(x) */
export function silu(n: Operands, x: Name): Name {
  return n.op("Mul", [x, n.op("Sigmoid", [x])]);
}

export function gelu(n: Operands, x: Name, approximate: "tanh" | "none"): Name {
  return n.op("Gelu", [x], { approximate: { string: approximate } });
}

/** The activation of a linear. */
export function activated(n: Operands, x: Name, activation: Activation): Name {
  switch (activation) {
    case "none":
      return x;
    case "silu":
      return silu(n, x);
    case "gelu-tanh":
      return gelu(n, x, "tanh");
    case "gelu-erf":
      return gelu(n, x, "none");
  }
}
